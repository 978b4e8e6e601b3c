"""Activations that are slower in place.

The gradients of ReLU6, SiLU and similar activations are computed from their input. In place they would
overwrite it, so autograd copies it first: twice the memory traffic, and nothing is saved. SiLU and the like
are taken out of place. Of ReLU6 the output tells as much as the input, so it stays in place without a copy.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional as F

from visionlora.frozen.swap import Swapped, swap, swap_back
from visionlora.kernels.tensors import transformed

NEED_THEIR_INPUT = (nn.SiLU, nn.Hardswish, nn.Hardsigmoid, nn.Mish)


class InPlaceClamp(Swapped):
    """A ReLU6, or another `nn.Hardtanh`, whose gradient is computed from its output."""

    prefix = "InPlace"

    def forward(self: Any, input: Tensor) -> Tensor:
        """min(max(input, min_val), max_val), in the input's memory."""
        if not (torch.is_grad_enabled() and input.requires_grad):
            return super().forward(input)
        if input.is_leaf or input._is_view() or transformed() or torch.compiler.is_compiling():
            return F.hardtanh(input, self.min_val, self.max_val)
        return _Clamp.apply(input, self.min_val, self.max_val)


class _Clamp(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, least: float, most: float) -> Tensor:
        ctx.mark_dirty(x)
        ctx.limits = least, most
        y = F.hardtanh_(x, least, most)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        (y,) = ctx.saved_tensors
        return torch.ops.aten.hardtanh_backward(g, y, *ctx.limits), None, None


def without_copies(model: nn.Module) -> None:
    """Let activations in place copy nothing, until :func:`in_place_again`."""
    for module in model.modules():
        if isinstance(module, NEED_THEIR_INPUT) and module.inplace:
            module.inplace = False
            module.was_in_place = True  # type: ignore[assignment]
        elif type(module) in (nn.Hardtanh, nn.ReLU6) and module.inplace:
            swap(module, InPlaceClamp)


def in_place_again(model: nn.Module) -> None:
    """Make them what :func:`without_copies` found."""
    for module in model.modules():
        if isinstance(module, InPlaceClamp):
            swap_back(module)
        elif vars(module).pop("was_in_place", False):
            module.inplace = True  # type: ignore[assignment]
