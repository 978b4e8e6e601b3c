"""The values of a network's frozen part, computed once a run.

Where the first adapted layer lies deep in the network, everything below it computes the same for the same
pixels at every step. Here these values are kept, in memory while they fit and in a temporary file beyond
that. They live as long as the run and are requested by (image, view) of the images that it has already
read, so a file that changes later is never served stale, and no file remains afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from visionlora.frozen.split import Split, Values

BATCH = 8
"""Images that go through the prefix together, always as many: what comes out for an image does not depend
on its company, so a resumed run continues with the same bytes."""


class FeatureCache:
    """The values of a network's frozen prefix, by key.

    Args:
        split: the network's parts.
        context: in which the prefix computes (autocast).
        device: where the network lies; the values are kept on the CPU.
        memory_mb: megabytes to keep in memory.
        folder: where the file for the rest is made; it has no name there afterwards.
        most: as many keys as there can be.
    """

    def __init__(
        self,
        split: Split,
        context: Callable[[], AbstractContextManager[object]],
        device: torch.device,
        memory_mb: float,
        folder: Path,
        most: int,
    ) -> None:
        self._split = split
        self._context = context
        self._device = device
        self._budget = int(memory_mb * 2**20)
        self._folder = folder
        self._most = most
        self._places: dict[Hashable, int] = {}
        self._versions: dict[Hashable, Hashable] = {}
        self._stores: list[_Store] = []
        self.computed = 0
        """Images that went through the prefix so far."""

    def get(
        self,
        keys: Sequence[Hashable],
        make: Callable[[list[int]], Tensor],
        versions: Sequence[Hashable] | None = None,
    ) -> list[Tensor]:
        """The values of ``keys`` on the network's device: tensors of len(keys) rows.

        Args:
            keys: what is asked for.
            make: the places in ``keys`` whose values are missing, to their images (n, 3, height, width).
            versions: where a key's version differs from the one that is kept, its value is computed anew.
        """
        versions = [None] * len(keys) if versions is None else versions
        missing: dict[Hashable, int] = {}
        for place, (key, version) in enumerate(zip(keys, versions, strict=True)):
            if key not in self._places or self._versions[key] != version:
                missing.setdefault(key, place)
        if missing:
            self._keep(list(missing), self.compute(make(list(missing.values()))))
            self._versions.update({key: versions[place] for key, place in missing.items()})
        rows = [self._places[key] for key in keys]
        return [store.read(rows).to(self._device) for store in self._stores]

    @torch.no_grad()
    def compute(self, images: Tensor) -> Values:
        """The prefix's values of images (n, 3, height, width), on the CPU, not kept."""
        self.computed += len(images)
        parts = []
        for piece in images.split(BATCH):
            padded = piece[torch.arange(BATCH) % len(piece)].to(self._device)
            with self._context():
                values = self._split.prefix(padded)
            parts.append([value[: len(piece)].cpu() for value in values])
        return tuple(torch.cat(rows) for rows in zip(*parts, strict=True))

    def _keep(self, keys: list[Hashable], values: Values) -> None:
        if not self._stores:
            total = sum(value[0].nbytes for value in values)
            self._stores = [
                _Store(value[0], self._most, int(self._budget * value[0].nbytes / total), self._folder)
                for value in values
            ]
        for number, key in enumerate(keys):
            place = self._places.setdefault(key, len(self._places))
            for store, value in zip(self._stores, values, strict=True):
                store.write(place, value[number])


class _Store:
    """Rows of one shape: the first ones in memory, the others in a file without a name."""

    def __init__(self, like: Tensor, most: int, budget: int, folder: Path) -> None:
        self.inside = min(most, budget // like.nbytes)
        outside = most - self.inside
        # Rows lie in memory as the layers want them (channels_last), so that no step has to reorder them.
        self.order = sorted(range(like.ndim), key=lambda dim: like.stride()[dim], reverse=True)
        shape = [like.shape[dim] for dim in self.order]
        self.memory = torch.empty(self.inside, *shape, dtype=like.dtype)
        self.file = None
        if outside:
            with TemporaryDirectory(dir=folder) as directory:
                size = outside * like.numel()
                mapped = torch.from_file(f"{directory}/features", shared=True, size=size, dtype=like.dtype)
            self.file = mapped.view(outside, *shape)

    def write(self, place: int, row: Tensor) -> None:
        self._row(place).copy_(row.permute(self.order))

    def read(self, places: list[int]) -> Tensor:
        """The rows, (len(places), *shape)."""
        rows = torch.stack([self._row(place) for place in places])
        back = [self.order.index(dim) + 1 for dim in range(len(self.order))]
        return rows.permute(0, *back)

    def _row(self, place: int) -> Tensor:
        if place < self.inside:
            return self.memory[place]
        assert self.file is not None
        return self.file[place - self.inside]


def network_inputs(batch: Mapping[str, Tensor]) -> list[Tensor]:
    """What the network, or the part of it that is left to compute, is called with."""
    features = [batch[key] for key in sorted(batch) if key.startswith("features")]
    return features or [batch["images"]]


def needed_mb(values: Values, count: int) -> float:
    """Megabytes that ``count`` images' values take; ``values`` are those of some images."""
    return count * sum(math.prod(value.shape[1:]) * value.element_size() for value in values) / 2**20
