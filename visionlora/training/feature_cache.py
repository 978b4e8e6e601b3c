"""Whether the frozen part of the network is computed once, and what changes in a run where it is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from visionlora.data import ImageDataset, ImageLoader, make_loader
from visionlora.frozen.split import DROPOUTS, Split, Values, split
from visionlora.kernels.autotune import timed
from visionlora.training.features import CachedImages, FeatureCache, needed_mb
from visionlora.training.precision import TYPES

if TYPE_CHECKING:
    from visionlora.training.setup import Job

WORTHWHILE = 0.25
"""The share of a forward pass from which on ``auto`` keeps what the frozen part computes."""
OVERFLOW = 8
"""How many times the memory budget ``auto`` would put on disk."""


@dataclass(frozen=True)
class Caching:
    """The decision to keep features: the network's parts, and how much there is to keep."""

    parts: Split
    share: float
    megabytes: float

    def record(self) -> dict[str, float | str | int]:
        """For ``metrics.json``."""
        return {
            "first_trained_layer": self.parts.layer,
            "frozen_layers": self.parts.frozen_layers,
            "share_of_forward": round(self.share, 3),
            "megabytes": round(self.megabytes, 1),
        }


def decide(job: Job, device: torch.device) -> Caching | None:
    """Whether this run keeps features; the answer is announced. The network lies on ``device``."""
    options = job.cache
    if options.features is False:
        return None
    parts = split(job.network, DROPOUTS if job.model.dropout else ())
    if parts is None:
        if options.features is True:
            job.say(
                "cache.features: there is nothing to keep: no frozen layer lies below the first trained one "
                "(lora.targets), or active dropout does (model.dropout), or the network can't be split there"
            )
        return None
    images = job.sample().to(device)
    share, values = _share(job.network, parts, images)
    megabytes = needed_mb(values, _most(job))
    kept = f"{parts.frozen_layers} frozen layers below {parts.layer} ({share:.0%} of a forward pass)"
    if options.features == "auto":
        if share < WORTHWHILE:
            return None
        if megabytes > options.memory_mb * (1 + OVERFLOW):
            job.say(
                f"cache.features: the {kept} are computed at every step: keeping them would take "
                f"{megabytes:,.0f} MB; cache.features=true keeps them all the same, largely on disk"
            )
            return None
    views = "once" if _views(job) is None else f"once for each of {options.views} views of a training image"
    job.say(f"{kept} are computed {views}: {megabytes:,.0f} MB (cache.features)")
    return Caching(parts, share, megabytes)


def cache_looks(job: Job, caching: Caching, device: torch.device, folder: Path) -> None:
    """Let the images that the run is judged on go through the frozen part once, in single precision."""
    loaders = (job.val_loader, job.retention_loader, job.contrast_loader)
    most = sum(len(_dataset(loader)) for loader in loaders if loader is not None)
    cache = FeatureCache(caching.parts, nullcontext, device, job.cache.memory_mb / 2, folder, most)
    job.rest = caching.parts.suffix
    job.val_loader = _cached(job, job.val_loader, cache, "val")
    if job.retention_loader is not None:
        job.retention_loader = _cached(job, job.retention_loader, cache, "retention")
    if job.contrast_loader is not None:
        job.contrast_loader = _cached(job, job.contrast_loader, cache, "contrast")


def cache_training(
    job: Job, caching: Caching, device: torch.device, precision: str, folder: Path
) -> tuple[ImageLoader, ImageLoader]:
    """The training and validation loaders with features, in the precision of training; the teacher's anchors
    have theirs too."""
    dtype = TYPES.get(precision)

    def context() -> AbstractContextManager[object]:
        return torch.autocast(device.type, dtype=dtype, enabled=dtype is not None)

    cache = FeatureCache(caching.parts, context, device, job.cache.memory_mb / 2, folder, _most(job))
    if job.teacher is not None:
        job.teacher.features = cache
    views = _views(job)
    training = CachedImages(_dataset(job.train_loader), cache, "train", views, job.cache.uses)
    loader = make_loader(training, job.data.batch_size, job.seed, shuffle=True, fill=views is not None)
    return loader, _cached(job, job.val_loader, cache, "val")


def _cached(job: Job, loader: ImageLoader, cache: FeatureCache, name: str) -> ImageLoader:
    return make_loader(CachedImages(_dataset(loader), cache, name, None), job.data.batch_size)


def _dataset(loader: ImageLoader) -> ImageDataset:
    dataset = loader.dataset
    assert isinstance(dataset, ImageDataset)
    return dataset.plain if isinstance(dataset, CachedImages) else dataset


def _views(job: Job) -> int | None:
    return None if job.augment.nothing else job.cache.views


def _most(job: Job) -> int:
    anchors = job.teacher.stream if job.teacher else None
    return (
        len(job.folder.train) * (_views(job) or 1)
        + len(job.folder.val)
        + (len(anchors.anchors) * anchors.views if anchors else 0)
    )


@torch.no_grad()
def _share(network: nn.Module, parts: Split, images: Tensor) -> tuple[float, Values]:
    """The frozen part's share of a forward pass, and its values of ``images``."""
    values = parts.prefix(images)
    below = _seconds(images.device, parts.prefix, images)
    above = _seconds(images.device, parts.suffix, *values)
    return below / (below + above), values


def _seconds(device: torch.device, part: Callable[..., object], *inputs: Tensor) -> float:
    part(*inputs)  # the first call chooses kernels
    return timed(lambda: part(*inputs), device)
