"""Adapters with buffers that no file holds, because they follow from the settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from visionlora.adapters.base import Adapter


class HasUnsaved(Adapter):
    """An adapter that computes such buffers anew once it leaves the meta device, which keeps no values:
    `to_empty` leaves them to chance, and a state dict lacks them."""

    def unsaved(self) -> dict[str, Tensor]:
        """The buffers by their names, on the CPU."""
        raise NotImplementedError

    def register_unsaved(self) -> None:
        """Make them."""
        for name, tensor in self.unsaved().items():
            self.register_buffer(name, tensor, persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Adapter:
        lost = self._lost()
        super()._apply(fn, recurse)
        return self._recovered() if lost else self

    def _load_from_state_dict(self, *arguments: Any) -> None:
        super()._load_from_state_dict(*arguments)
        if self._lost():
            self._recovered()

    def _lost(self) -> bool:
        return any(buffer.is_meta for buffer in self.buffers())

    @torch.no_grad()
    def _recovered(self) -> HasUnsaved:
        """With the values of its buffers, on the parameters' device and in their type."""
        like = next(self.parameters())
        if not like.is_meta:
            for name, tensor in self.unsaved().items():
                dtype = like.dtype if tensor.is_floating_point() else tensor.dtype
                self._buffers[name] = tensor.to(like.device, dtype)
        return self
