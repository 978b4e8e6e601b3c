"""Which adapters the images of a batch use, as a layer is told."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from visionlora.adapters.base import LowRank
from visionlora.adapters.errors import LoraError


class MixedBatch(NamedTuple):
    """A batch whose images use different adapters, sorted by them.

    Attributes:
        kinds: the names of the adapters that act together on a slice of the batch; () for none.
        counts: images of each slice.
    """

    kinds: tuple[tuple[str, ...], ...]
    counts: tuple[int, ...]

    def rows(self, length: int) -> tuple[int, ...]:
        """The counts for an input whose rows are parts of images, all of an image side by side."""
        times, rest = divmod(length, sum(self.counts))
        if rest:
            raise ReadsWeight("its input has not as many rows for each image")
        return tuple(times * count for count in self.counts)


class ReadsWeight(LoraError):
    """A layer can't compute a batch of different adapters: its weight is read, or its input is no batch."""


def low_rank_of(layer: Any, names: tuple[str, ...]) -> LowRank | None:
    """The layer's `low_rank` with these adapters active; None too where one is a module of its own."""
    before = layer.active
    try:
        layer.active = tuple(name for name in names if name in layer.adapters)
        found: LowRank | None = None if layer.module_adapters() else layer.low_rank()
        return found
    finally:
        layer.active = before


def by_adapter(layer: Any, x: Tensor) -> Tensor:
    """The layer's output for a batch of different adapters, one adapter's images after the other's."""
    batch, before, outputs = layer.mixed, layer.active, []
    try:
        layer.mixed = None
        for names, part in zip(batch.kinds, x.split(batch.rows(len(x))), strict=True):
            layer.active = tuple(name for name in names if name in layer.adapters)
            outputs.append(layer(part))
    finally:
        layer.mixed, layer.active = batch, before
    return torch.cat(outputs)
