"""The frozen network as a teacher: its answers on unlabelled anchor pictures."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from visionlora.data import AnchorStream
from visionlora.lora import adapters_off


@dataclass(frozen=True)
class AnchorBatch:
    """Anchors of one step: images (n, 3, height, width) and the frozen network's logits (n, old outputs)."""

    images: Tensor
    logits: Tensor


class AnchorTeacher:
    """Serves anchors with the frozen network's logits, each (anchor, view) computed once.

    The frozen network is the adapted one with its adapters off: no second copy is in memory.

    Args:
        stream: where the anchors of a step come from.
        old_outputs: how many outputs the frozen network has (an extended head has more).
        check_count: how many anchors, unaugmented, stand for all of them at validation.
    """

    def __init__(self, stream: AnchorStream, old_outputs: int, check_count: int = 32) -> None:
        self.stream = stream
        self.old_outputs = old_outputs
        self.check_count = check_count
        self.known: dict[tuple[int, int], Tensor] = {}
        self._check: tuple[Tensor, Tensor] | None = None

    def batch(self, network: nn.Module, step: int) -> AnchorBatch:
        """The anchors of ``step`` on the network's device."""
        batch = self.stream.batch(step)
        images = batch["images"].to(next(network.parameters()).device)
        keys = list(zip(batch["indices"].tolist(), batch["views"].tolist(), strict=True))
        unknown = [place for place, key in enumerate(keys) if key not in self.known]
        if unknown:
            for place, logits in zip(unknown, self._frozen(network, images[unknown]), strict=True):
                self.known[keys[place]] = logits
        return AnchorBatch(images, torch.stack([self.known[key] for key in keys]))

    def prepare(self, network: nn.Module) -> None:
        """Ask the frozen network about the anchors that :meth:`check` uses; not while weights are merged."""
        images = self.stream.plain(self.check_count).to(next(network.parameters()).device)
        self._check = images, self._frozen(network, images)

    def check(self, network: nn.Module) -> tuple[Tensor, Tensor]:
        """Logits of the network as it is now and of the frozen one, on a fixed set of unaugmented anchors."""
        if self._check is None:
            raise RuntimeError("prepare() comes before check()")
        images, frozen = self._check
        return network(images), frozen

    @torch.no_grad()
    def _frozen(self, network: nn.Module, images: Tensor) -> Tensor:
        # A layer's own dropout must not speak in the teacher's answer.
        was_training = [module for module in network.modules() if module.training]
        network.eval()
        with adapters_off(network):
            logits = network(images)[:, : self.old_outputs].float()
        for module in was_training:
            module.training = True
        return logits
