"""The images of a task, decoded once, and the figures of a network on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from benchmarks.quality_tasks import Task, our_config
from visionlora.data import (
    AugmentConfig,
    ImageCache,
    ImageDataset,
    ImageFile,
    ImageFolder,
    ImageLoader,
    make_loader,
    scan,
    scan_images,
    scan_labelled,
    shuffled_loader,
    training_side,
    training_transform,
)
from visionlora.data.images.preprocessing import Preprocessing
from visionlora.data.loading.samplers import filling_repeats
from visionlora.evaluation.predictions import Predictions, predict_batches
from visionlora.models import Backbone, Head, find_class

CACHE_MB = 1024


@lru_cache(maxsize=4)
def _cache(side: int, interpolation: str) -> ImageCache:
    """One per process, so that every method of every task reads the same decoded images."""
    return ImageCache(CACHE_MB, side, interpolation)


@dataclass(frozen=True)
class TaskImages:
    """A task's images as input of one network, with the product's augmentation, batch size and order."""

    folder: ImageFolder
    preprocessing: Preprocessing
    augment: AugmentConfig
    batch_size: int

    @classmethod
    def of(cls, task: Task, preprocessing: Preprocessing) -> TaskImages:
        """The images of a task."""
        config = our_config(task, lr=1e-3, seed=0, anchors=True)
        augment = AugmentConfig(**config.augment)
        return cls(scan(task.root), preprocessing, augment, config.data.batch_size)

    def training(self, head: Head, seed: int) -> ImageLoader:
        """The shuffled, augmented batches that ours trains on too."""
        side = training_side(self.preprocessing.resize, self.preprocessing.crop, self.augment.crop_scale[0])
        dataset = ImageDataset(
            self.folder.train,
            self.preprocessing,
            targets=dict(zip(self.folder.classes, head.targets, strict=True)),
            transform=training_transform(self.augment, self.preprocessing),
            cache=_cache(side, self.preprocessing.interpolation),
            seed=seed,
        )
        once = [1] * len(dataset)
        repeats = once if self.augment.nothing else filling_repeats(once, self.batch_size)
        return shuffled_loader(dataset, self.batch_size, seed, repeats)

    def plain(self, images: tuple[ImageFile, ...], targets: dict[str, int] | None = None) -> ImageLoader:
        """Batches without augmentation."""
        cache = _cache(self.preprocessing.resize, self.preprocessing.interpolation)
        return make_loader(ImageDataset(images, self.preprocessing, targets=targets, cache=cache), 32)


def known_outputs(
    images: Sequence[ImageFile], categories: Sequence[str], wnids: Sequence[str]
) -> dict[str, int]:
    """The output of each label of images, by the name or the WordNet id that a network has for it."""
    names = {image.label for image in images if image.label is not None}
    return {name: find_class(name, categories, wnids) for name in names}


class Evaluator:
    """Measures a network on a task's unseen drawings, old photos and drawings of other things.

    ``head`` is None for the frozen network: classes that it does not know are then not measured.
    """

    def __init__(self, task: Task, images: TaskImages, backbone: Backbone) -> None:
        self.task = task
        self.images = images
        self.categories = backbone.categories
        self.wnids = backbone.wnids
        self.head: Head | None = None

    def figures(self, network: nn.Module) -> dict[str, Any]:
        """``learned`` (top-1 on unseen drawings), ``kept`` (top-1 on photos), the false-positive rates on
        photos and other drawings, and the numbers of images; None if not measured."""
        found: dict[str, Any] = dict.fromkeys(("learned", "kept", "photos_called", "others_called"))
        targets = self._targets()
        if targets is not None:
            seen = self._ask(network, self.images.folder.val, targets)
            found |= {"learned": seen.top(1), "images": len(seen.labels)}
        if self.task.head != "new":
            photos = scan_labelled(self.task.retention)
            old = self._ask(network, photos, known_outputs(photos, self.categories, self.wnids))
            found |= {"kept": old.top(1), "photos": len(old.labels)}
            found["photos_called"] = old.share_predicted(tuple(targets.values())) if targets else None
        others = self._others(set(targets)) if targets else ()
        if targets and others:
            found["others_called"] = self._ask(network, others, None).share_predicted(tuple(targets.values()))
        return found

    def _targets(self) -> dict[str, int] | None:
        classes = self.images.folder.classes
        if self.head is not None:
            return dict(zip(classes, self.head.targets, strict=True))
        if self.task.head != "keep":
            return None
        return {name: find_class(name, self.categories, self.wnids) for name in classes}

    def _others(self, trained: set[str]) -> tuple[ImageFile, ...]:
        if self.task.contrast is None:
            return ()
        found = scan_images([self.task.contrast])
        return tuple(image for image in found if image.path.parent.name not in trained)

    def _ask(
        self, network: nn.Module, images: tuple[ImageFile, ...], targets: dict[str, int] | None
    ) -> Predictions:
        with torch.inference_mode():
            return predict_batches(network, self.images.plain(images, targets))
