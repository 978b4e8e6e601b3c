"""The frozen network as a teacher: its answers on unlabelled anchor images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from visionlora.adapters import adapters_off
from visionlora.data import ImageFile
from visionlora.retention.drift import Drift
from visionlora.retention.stream import AnchorStream
from visionlora.training.features import FeatureCache

Anchor = ImageFile | Tensor
"""An image file, or a decoded image (uint8 (3, H, W))."""

FEWEST = 16
"""Fewer images than that say too little to choose a strength with."""
IMPROBABLE = 20.0
"""How far below every other logit an answer lies that cannot be right: a probability of at most 2e-9."""


@dataclass(frozen=True)
class AnchorBatch:
    """Anchors of one step: what the network is called with, images (n, 3, height, width) or features of n
    rows, and the frozen network's logits (n, old outputs)."""

    inputs: list[Tensor]
    logits: Tensor


def hold_out(
    sources: Sequence[Sequence[Anchor]],
) -> tuple[list[Sequence[Anchor]], list[Anchor]]:
    """Set a share of the anchors aside: what training never saw says how much it forgot.

    An eighth of them, evenly spaced, at least 16 and at most 128; none of fewer than 64.

    Returns:
        The sources without them, and them.
    """
    total = sum(map(len, sources))
    if total < 64:
        return list(sources), []
    every = total // min(max(FEWEST, total // 8), 128)
    held = [anchor for source in sources for anchor in source[every - 1 :: every]]
    kept = [[one for place, one in enumerate(source) if (place + 1) % every] for source in sources]
    return list(kept), held


class AnchorTeacher:
    """Serves anchors with the frozen network's logits, each (anchor, view) computed once.

    The frozen network is the adapted one with its adapters off: no second copy is in memory.

    Args:
        stream: where the anchors of a step come from.
        old_outputs: how many outputs the frozen network has (an extended head has more).
        unknown: how many anchors, from the first, may show anything. Those after them are known to show none
            of the trained classes, so there the frozen network's answer counts without its belief in those:
            its own false positives are not taught again.
        targets: the outputs of the trained classes.
        check_count: how many anchors, unaugmented, stand for all of them at validation.
        drift_count: how many show what the layers' inputs are like.
    """

    def __init__(
        self,
        stream: AnchorStream,
        old_outputs: int,
        unknown: int | None = None,
        targets: Sequence[int] = (),
        check_count: int = 32,
        drift_count: int = 128,
    ) -> None:
        self.stream = stream
        self.old_outputs = old_outputs
        self.unknown = len(stream.anchors) if unknown is None else unknown
        self.classes = len(targets)
        """How many classes are trained."""
        old_targets = [target for target in targets if target < old_outputs]
        # A network whose every output is trained has no other answer to give.
        self.targets = old_targets if len(old_targets) < old_outputs else []
        self.check_count = check_count
        self.drift_count = drift_count
        self.known: dict[tuple[int, int], Tensor] = {}
        self.features: FeatureCache | None = None
        """Where the frozen prefix's values are kept; the network is then the rest of it."""
        self._check: tuple[list[Tensor], Tensor] | None = None

    def batch(self, network: nn.Module, step: int) -> AnchorBatch:
        """The anchors of ``step`` on the network's device."""
        keys = self.stream.drawn(step)
        inputs = self._inputs(network, keys)
        unknown = [place for place, key in enumerate(keys) if key not in self.known]
        if unknown:
            indices = torch.tensor([keys[place][0] for place in unknown])
            answers = self._frozen(network, [value[unknown] for value in inputs], indices)
            self.known.update(zip([keys[place] for place in unknown], answers, strict=True))
        return AnchorBatch(inputs, torch.stack([self.known[key] for key in keys]))

    def _inputs(self, network: nn.Module, keys: list[tuple[int, int]]) -> list[Tensor]:
        if self.features is None:
            return [self.stream.images(keys).to(next(network.parameters()).device)]

        def images(places: list[int]) -> Tensor:
            return self.stream.images([keys[place] for place in places])

        return self.features.get([("anchor", *key) for key in keys], images)

    def prepare(self, network: nn.Module) -> None:
        """Ask the frozen network about the anchors that :meth:`check` uses; not while weights are merged."""
        indices, images = self.stream.plain(self.check_count)
        inputs = self._exact(network, images)
        self._check = inputs, self._frozen(network, inputs, indices)

    def drift(self, network: nn.Module) -> Drift:
        """How far the adapters move their layers' outputs on anchors that may show anything."""
        _, images = self.stream.plain(self.drift_count, among=self.unknown or None)
        return Drift(network, (self._exact(network, piece) for piece in images.split(16)))

    def _exact(self, network: nn.Module, images: Tensor) -> list[Tensor]:
        """What the network is called with, in single precision: nothing is cast where these are used."""
        device = next(network.parameters()).device
        values = [images] if self.features is None else self.features.compute(images)
        return [value.to(device, torch.float32) for value in values]

    def check(self, network: nn.Module) -> tuple[Tensor, Tensor]:
        """Logits of the network as it is now and of the frozen one, on a fixed set of unaugmented anchors."""
        if self._check is None:
            raise RuntimeError("prepare() comes before check()")
        inputs, frozen = self._check
        return network(*inputs), frozen

    @torch.no_grad()
    def _frozen(self, network: nn.Module, inputs: list[Tensor], indices: Tensor) -> Tensor:
        # A layer's own dropout must not speak in the teacher's answer.
        was_training = [module for module in network.modules() if module.training]
        network.eval()
        with adapters_off(network):
            logits = network(*inputs)[:, : self.old_outputs].float()
        for module in was_training:
            module.training = True
        if not self.targets:
            return logits
        wrong = torch.zeros(logits.shape, dtype=torch.bool, device=logits.device)
        wrong[:, self.targets] = (indices >= self.unknown).to(logits.device)[:, None]
        return torch.where(wrong, logits.amin(dim=1, keepdim=True) - IMPROBABLE, logits)
