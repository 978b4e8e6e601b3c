"""The values of a network's frozen part, computed once a run.

Where the first adapted layer lies deep in the network, everything below it computes the same for the same
pixels at every step. Here these values are kept, in memory while they fit and in a temporary file beyond
that. They live as long as the run and are requested by (image, view) of the images that it has already
read, so a file that changes later is never served stale, and no file remains afterwards.
"""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from visionlora.frozen.split import Split, Values

BATCH = 8
"""Images that go through the prefix together, always this many: the value of an image does not depend on the
others of its batch, so a resumed run continues with the same bytes."""


class FeatureCache:
    """The values of a network's frozen prefix, by key.

    Args:
        split: the network's parts.
        context: in which the prefix computes (autocast).
        device: where the network lies; the values are kept and given on the CPU, where a loader can pin them.
        memory_mb: megabytes to keep in memory.
        folder: where the file for what does not fit is made; it has no name there afterwards.
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
        """The values of ``keys`` on the CPU: tensors of len(keys) rows.

        Args:
            keys: which values.
            make: the places in ``keys`` whose values are missing, to their images (n, 3, height, width).
            versions: where the version of a key differs from the one that is kept, its value is computed
                again; several versions of a key in one call are each served, and the last one is kept.
        """
        versions = [None] * len(keys) if versions is None else versions
        requests = list(zip(keys, versions, strict=True))
        missing: dict[tuple[Hashable, Hashable], int] = {}
        for place, (key, version) in enumerate(requests):
            if key not in self._places or self._versions[key] != version:
                missing.setdefault((key, version), place)
        if not missing:
            rows = [self._places[key] for key in keys]
            return [store.read(rows) for store in self._stores]
        values = self.compute(make(list(missing.values())))
        self._open_stores(values)
        computed = {request: number for number, request in enumerate(missing)}
        # Read before anything is replaced: two versions of one key may be requested together.
        found = [
            store.stack(
                [
                    value[computed[request]] if request in computed else store.row(self._places[request[0]])
                    for request in requests
                ]
            )
            for store, value in zip(self._stores, values, strict=True)
        ]
        for (key, version), number in computed.items():
            place = self._places.setdefault(key, len(self._places))
            self._versions[key] = version
            for store, value in zip(self._stores, values, strict=True):
                store.write(place, value[number])
        return found

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

    def _open_stores(self, values: Values) -> None:
        if not self._stores:
            total = sum(value[0].nbytes for value in values)
            self._stores = [
                _Store(value[0], self._most, int(self._budget * value[0].nbytes / total), self._folder)
                for value in values
            ]


class _Store:
    """Rows of one shape: the first ones in memory, the others in a file without a name."""

    def __init__(self, like: Tensor, most: int, budget: int, folder: Path) -> None:
        self.inside = min(most, budget // like.nbytes)
        outside = most - self.inside
        # Rows lie in memory as the layers want them (channels_last), so that no step has to reorder them.
        self.order = sorted(range(like.ndim), key=lambda dim: like.stride()[dim], reverse=True)
        self._back = [self.order.index(dim) for dim in range(like.ndim)]
        shape = [like.shape[dim] for dim in self.order]
        self.memory = torch.empty(self.inside, *shape, dtype=like.dtype)
        self.file = None
        if outside:
            with TemporaryDirectory(dir=folder) as directory:
                size, path = outside * like.numel(), Path(directory, "features")
                _allocate(path, outside * like.nbytes, folder)
                mapped = torch.from_file(str(path), shared=True, size=size, dtype=like.dtype)
            self.file = mapped.view(outside, *shape)

    def write(self, place: int, row: Tensor) -> None:
        self._stored(place).copy_(row.permute(self.order))

    def read(self, places: list[int]) -> Tensor:
        """The rows, (len(places), *shape)."""
        return self._in_order([self._stored(place) for place in places])

    def row(self, place: int) -> Tensor:
        """One row, in its own shape."""
        return self._stored(place).permute(self._back)

    def stack(self, rows: list[Tensor]) -> Tensor:
        """Rows from anywhere, (len(rows), *shape), in memory as :meth:`read` gives them."""
        return self._in_order([row.permute(self.order) for row in rows])

    def _in_order(self, stored: list[Tensor]) -> Tensor:
        return torch.stack(stored).permute(0, *(dim + 1 for dim in self._back))

    def _stored(self, place: int) -> Tensor:
        if place < self.inside:
            return self.memory[place]
        assert self.file is not None
        return self.file[place - self.inside]


def _allocate(path: Path, size: int, folder: Path) -> None:
    """Make a file of this size whose space on the disk is taken: where a mapped file finds the disk full, the
    system ends the process without a word.

    Raises:
        OSError: there is not enough space in ``folder``.
    """
    with path.open("wb") as file:
        if not hasattr(os, "posix_fallocate"):
            return
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):  # a file system that cannot tell
                raise OSError(error.errno, error.strerror, str(folder)) from error


def network_inputs(batch: Mapping[str, Tensor]) -> list[Tensor]:
    """What the network, or the part of it that is left to compute, is called with."""
    features = [batch[key] for key in sorted(batch) if key.startswith("features")]
    return features or [batch["images"]]


def needed_mb(values: Values, count: int) -> float:
    """Megabytes that ``count`` images' values take; ``values`` are those of some images."""
    return count * sum(math.prod(value.shape[1:]) * value.element_size() for value in values) / 2**20
