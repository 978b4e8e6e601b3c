"""Whether the frozen part of the network is computed once, and what changes in a run where it is."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from visionlora.data import ImageDataset, ImageLoader, make_loader, shuffled_loader
from visionlora.data.loading.cached_images import CachedImages
from visionlora.data.loading.image_loader import Batch
from visionlora.data.loading.samplers import EpochSampler
from visionlora.data.loading.targets import UNLABELLED
from visionlora.evaluation.images import Batches, EvaluationImages
from visionlora.frozen.features import FeatureCache, needed_mb
from visionlora.frozen.split import DROPOUTS, Split, Values, split
from visionlora.kernels.autotune import timed
from visionlora.notices import Notices
from visionlora.options import given
from visionlora.retention.stream import AnchorBatches
from visionlora.run_folder.kernel_choices import TimedChoices
from visionlora.text import counted, percent
from visionlora.training.config import CacheConfig
from visionlora.training.precision import TYPES

WORTHWHILE = 0.25
"""The share of a forward pass from which on ``auto`` keeps what the frozen part computes."""
KEPT, COMPUTED = "kept", "computed at every step"
OVERFLOW = 8
"""How many times the memory budget ``auto`` would put on disk."""


class CachedAnchors:
    """Batches of anchors with ``features`` in place of ``images``; they can be iterated over again and again.

    Args:
        batches: of images.
        cache: where the values are.
    """

    def __init__(self, batches: AnchorBatches, cache: FeatureCache) -> None:
        self.batches = batches
        self.features = cache

    def __iter__(self) -> Iterator[Batch]:
        for indices in self.batches.indices():
            features = self.features.get([("held out", index) for index in indices], self._images(indices))
            yield {
                "labels": torch.full((len(indices),), UNLABELLED),
                "indices": torch.tensor(indices),
                **{f"features{number}": value for number, value in enumerate(features)},
            }

    def _images(self, indices: Sequence[int]) -> Callable[[list[int]], Tensor]:
        return lambda places: self.batches.images([indices[place] for place in places])


@dataclass(frozen=True)
class CachedInputs:
    """The inputs of the frozen prefix while training.

    Attributes:
        count: how many are different.
        views: augmented views of a training image; None: nothing is random.
    """

    count: int
    views: int | None


@dataclass(frozen=True)
class FeatureCachePlan:
    """How the frozen part's values are cached.

    Attributes:
        parts: the network's frozen prefix and the rest of it.
        share: the prefix's share of a forward pass.
        inputs: of the prefix while training.
        megabytes: what their values take.
        uses: how often a view is used.
        memory_mb: megabytes in memory; what is beyond lies in a file.
        device: where the network is.
        folder: where the file is made.
    """

    parts: Split
    share: float
    inputs: CachedInputs
    megabytes: float
    uses: int
    memory_mb: float
    device: torch.device
    folder: Path

    def metrics(self) -> dict[str, float | str | int]:
        """``features`` of ``metrics.json``."""
        return {
            "first_trained_layer": self.parts.layer,
            "frozen_layers": self.parts.frozen_layers,
            "share_of_forward": round(self.share, 3),
            "megabytes": round(self.megabytes, 1),
        }

    def evaluation_images(self, images: EvaluationImages) -> EvaluationImages:
        """The same images with features, computed in single precision."""
        loaders = (images.validation, images.retention, images.contrast)
        inputs = sum(len(_dataset(loader)) for loader in loaders if loader is not None)
        held_out = images.held_out
        assert held_out is None or isinstance(held_out, AnchorBatches)
        cache = self._cache(nullcontext, inputs + (len(held_out) if held_out else 0))

        def cached(loader: Batches | None, name: str) -> ImageLoader | None:
            return None if loader is None else _cached_loader(loader, cache, name)

        return replace(
            images,
            validation=cached(images.validation, "val"),
            retention=cached(images.retention, "retention"),
            contrast=cached(images.contrast, "contrast"),
            held_out=None if held_out is None else CachedAnchors(held_out, cache),
            suffix=self.parts.suffix,
        )

    def training_loaders(
        self, train: ImageLoader, validation: ImageLoader | None, seed: int, precision: str
    ) -> tuple[ImageLoader, ImageLoader | None, FeatureCache]:
        """Loaders with features in the precision of training, and the cache, for the teacher's anchors."""
        dtype = TYPES.get(precision)

        def context() -> AbstractContextManager[object]:
            return torch.autocast(self.device.type, dtype=dtype, enabled=dtype is not None)

        cache = self._cache(context, self.inputs.count)
        dataset = CachedImages(_dataset(train), cache, "train", self.inputs.views, self.uses)
        assert isinstance(train.sampler, EpochSampler)
        loader = shuffled_loader(dataset, train.whole_batch, seed, train.sampler.repeats)
        validating = None if validation is None else _cached_loader(validation, cache, "val")
        return loader, validating, cache

    def _cache(self, context: Callable[[], AbstractContextManager[object]], inputs: int) -> FeatureCache:
        return FeatureCache(self.parts, context, self.device, self.memory_mb / 2, self.folder, inputs)


def frozen_parts(options: CacheConfig, network: nn.Module, dropout: bool) -> Split | None:
    """The network, split at its first trained layer; None where it cannot be, or where nothing is cached.

    Args:
        options: the settings.
        network: adapted.
        dropout: whether the network's own dropout layers are active while training.
    """
    return None if options.features is False else split(network, DROPOUTS if dropout else ())


def plan_feature_cache(
    options: CacheConfig,
    parts: Split | None,
    sample: Tensor,
    inputs: CachedInputs,
    folder: Path,
    choices: TimedChoices,
    notices: Notices,
) -> FeatureCachePlan | None:
    """How this run caches features; None where it does not.

    Args:
        options: the settings.
        parts: of the network (:func:`frozen_parts`).
        sample: a few images for it, on its device.
        inputs: of the frozen part while training.
        folder: where a file for what memory does not hold is made.
        choices: a time decides, so on another machine the decision may differ: it is recorded.
        notices: where the decision is announced.
    """
    if parts is None:
        if options.features is True:
            notices.say(
                "cache.features: there is nothing to keep: no frozen layer lies below the first trained one "
                "(lora.targets), or active dropout does (model.dropout), or the network can't be split there"
            )
        _warn_unused(options, inputs, notices)
        return None
    share, values = _share(parts, sample)
    megabytes = needed_mb(values, inputs.count)
    kept = f"{parts.frozen_layers} frozen layers below {parts.layer} ({percent(share)} of a forward pass)"
    if options.features == "auto":
        reason = "as recorded in kernels.json"

        def decide() -> str:
            nonlocal reason
            choice, reason = _worthwhile(share, megabytes, options.memory_mb, folder)
            return choice

        if choices.choose("features", (KEPT, COMPUTED), decide) == COMPUTED:
            notices.say(f"cache.features: the {kept} are computed at every step: {reason}")
            _warn_unused(options, inputs, notices)
            return None
    each = "" if inputs.views is None else f" for each of {counted(inputs.views, 'view')} of a training image"
    notices.say(f"{kept} are computed once{each}: {megabytes:,.0f} MB (cache.features)")
    return FeatureCachePlan(
        parts, share, inputs, megabytes, options.uses, options.memory_mb, sample.device, folder
    )


def _warn_unused(options: CacheConfig, inputs: CachedInputs, notices: Notices) -> None:
    """Name the options about a cache that there is not, but those that were named for another reason."""
    if options.features is not False:
        names = [*(["views"] if inputs.views else []), "uses", "memory_mb"]
        notices.unused(given("cache", options, *names), "no features are kept")


def _worthwhile(share: float, megabytes: float, memory_mb: float, folder: Path) -> tuple[str, str]:
    """What ``cache.features=auto`` does with values of this size, and why."""
    if share < WORTHWHILE:
        return COMPUTED, f"auto keeps them from {percent(WORTHWHILE)} on"
    on_disk, free = megabytes - memory_mb / 2, shutil.disk_usage(folder).free / 2**20
    if on_disk > free:
        return COMPUTED, f"keeping them would take {on_disk:,.0f} MB in {folder}, with {free:,.0f} MB free"
    if megabytes > memory_mb * (1 + OVERFLOW):
        return COMPUTED, (
            f"keeping them would take {megabytes:,.0f} MB; cache.features=true keeps them anyway, "
            "largely on disk"
        )
    return KEPT, f"they are {percent(share)} of a forward pass"


def computed_part(
    network: nn.Module, sample: Tensor, cache_plan: FeatureCachePlan | None
) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """What a training step computes, and a sample of its inputs."""
    if cache_plan is None:
        return network, (sample,)
    with torch.no_grad():
        return cache_plan.parts.suffix, cache_plan.parts.prefix(sample)


def _cached_loader(loader: Batches, cache: FeatureCache, name: str) -> ImageLoader:
    assert isinstance(loader, ImageLoader)
    return make_loader(CachedImages(_dataset(loader), cache, name, None), loader.batch_size or 1)


def _dataset(loader: Batches) -> ImageDataset:
    assert isinstance(loader, ImageLoader) and isinstance(loader.dataset, ImageDataset)
    return loader.dataset


@torch.no_grad()
def _share(parts: Split, images: Tensor) -> tuple[float, Values]:
    """The frozen part's share of a forward pass, and its values of ``images``."""
    values = parts.prefix(images)
    below = _seconds(images.device, parts.prefix, images)
    above = _seconds(images.device, parts.suffix, *values)
    return below / (below + above), values


def _seconds(device: torch.device, part: Callable[..., object], *inputs: Tensor) -> float:
    part(*inputs)  # the first call chooses kernels
    return timed(lambda: part(*inputs), device)
