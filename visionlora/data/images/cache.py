"""Decoded images, kept in memory while they fit."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils.data import get_worker_info
from torchvision.transforms.v2.functional import pil_to_tensor

from visionlora.data.images.decode import BadImage, open_image
from visionlora.data.images.resizing import reduce


class Memory:
    """Tensors by key, as many as fit into ``budget_mb`` megabytes; what came first stays."""

    def __init__(self, budget_mb: float) -> None:
        self.budget = int(budget_mb * 2**20)
        self.used = 0
        self._kept: dict[Hashable, Tensor] = {}
        self._refused = self.budget == 0

    def get(self, key: Hashable) -> Tensor | None:
        """The tensor of ``key``, None if it is not kept."""
        return self._kept.get(key)

    def keep(self, key: Hashable, value: Tensor) -> None:
        """Keep ``value`` if it fits."""
        # A worker process has a memory of its own: each would fill the budget over again.
        if self.used + value.nbytes > self.budget:
            self._refused = True
            return
        if key in self._kept or get_worker_info() is not None:
            return
        self._kept[key] = value
        self.used += value.nbytes

    @property
    def full(self) -> bool:
        """Whether the next image will hardly fit: there was no room for the last ones."""
        return self._refused

    def __len__(self) -> int:
        return len(self._kept)

    def __getstate__(self) -> dict[str, Any]:
        # Where worker processes are spawned rather than forked, they decode for themselves: sending every
        # tensor would cost a file descriptor each.
        return {"budget": 0, "used": 0, "_kept": {}, "_refused": True}


class ImageCache:
    """Decoded images as uint8 tensors (3, H, W), their shorter side reduced to ``shorter_side``.

    An image within ``budget_mb`` is decoded once, the others each time they are read.

    Args:
        budget_mb: megabytes of decoded images to keep; 0 keeps none.
        shorter_side: pixels; larger images are reduced to it with antialiasing, smaller ones stay.
            With the size that validation resizes to, a cached image is exactly the resized one.
        interpolation: ``bilinear`` or ``bicubic``.
    """

    def __init__(self, budget_mb: float, shorter_side: int, interpolation: str = "bilinear") -> None:
        self.shorter_side = shorter_side
        self.interpolation = interpolation
        self.memory = Memory(budget_mb)
        self._stamps: dict[Path, int] = {}
        """A hash of size and time of change, as they were when a file was first read."""

    def read(self, path: Path) -> Tensor:
        """The image, from memory or decoded; callers must not write into it.

        Raises:
            BadImage: the file cannot be used.
        """
        pixels = self.memory.get(path)
        if pixels is None:
            pixels = self.decode(path)
            self.memory.keep(path, pixels)
        return pixels

    def decode(self, path: Path) -> Tensor:
        """The image, decoded and reduced, memory left alone (so threads may call it).

        Raises:
            BadImage: the file cannot be used, or has changed since it was first read.
        """
        now = _written(path)
        if self._stamps.setdefault(path, now) != now and path.exists():
            raise BadImage(path, "it has changed since it was first read")
        image = open_image(path, shorter_side=self.shorter_side)
        return pil_to_tensor(reduce(image, self.shorter_side, self.interpolation))


def _written(path: Path) -> int:
    """A hash of a file's size and date, which stay where a backup makes a link to it; 0: there is none."""
    try:
        status = path.stat()
    except OSError:
        return 0
    return hash((status.st_size, status.st_mtime_ns))


def training_side(resize: int, crop: int, smallest_scale: float) -> int:
    """The shorter side to cache training images at, in pixels.

    A random crop of ``smallest_scale`` of a square image's area then still has ``crop`` pixels a side: no
    detail is lost that the network would have seen.
    """
    return max(resize, round(crop / smallest_scale**0.5))
