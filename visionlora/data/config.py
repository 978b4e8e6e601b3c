"""What the configuration may say about the images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from visionlora.settings import require


@dataclass(frozen=True)
class DataConfig:
    """Which images, and how many at a time."""

    name: str
    root: str
    class_name: str | None = None
    val_fraction: float = 0.25
    folds: int | None = None
    batch_size: int = 16
    anchors: Sequence[str] = ()
    contrast_anchors: str | Sequence[str] = "auto"
    contrast_root: str | None = None
    cache_mb: float = 1024
    workers: int = 0

    def __post_init__(self) -> None:
        require(0 < self.val_fraction < 1, "val_fraction lies between 0 and 1", self.val_fraction)
        require(self.folds is None or self.folds >= 2, "folds is at least 2, or null", self.folds)
        require(self.batch_size >= 1, "batch_size is at least 1", self.batch_size)
        require(self.cache_mb >= 0, "cache_mb is at least 0", self.cache_mb)
        require(self.workers >= 0, "workers is at least 0", self.workers)
