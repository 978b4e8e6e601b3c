"""A dataset with the frozen part's values of its images in place of their pixels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from visionlora.data.loading.image_loader import Batch, ImageDataset, Item, Key
from visionlora.data.loading.targets import labels_of
from visionlora.frozen.features import FeatureCache


class CachedImages(ImageDataset):
    """A dataset whose batches hold ``features``, the frozen prefix's values, in place of ``images``.

    Where all images of a batch were computed just now, it has their ``images`` too.

    Args:
        images: the dataset that makes the pixels.
        cache: where the values are.
        name: a name for these images in the cache.
        views: augmented views of each image; None: nothing is random, there is one.
        uses: how often a view is used before another is drawn in its place.
    """

    def __init__(
        self, images: ImageDataset, cache: FeatureCache, name: str, views: int | None, uses: int = 1
    ) -> None:
        self.__dict__.update(images.__dict__)
        self.plain = images
        self.features = cache
        self.name = name
        self.views = views
        self.uses = uses

    def __getitem__(self, key: Key) -> Item:
        turn, index = key if isinstance(key, tuple) else (0, key)
        return torch.tensor(self._drawn_turn(turn)), self.targets[index], index

    def collate(self, items: Sequence[Item]) -> Batch:
        """``features`` of the images, ``labels`` and ``indices``."""
        drawn, targets, indices = zip(*items, strict=True)
        turns = [int(turn) for turn in drawn]
        computed: list[Tensor] = []

        def images(missing: list[int]) -> Tensor:
            pixels = [self.plain[turns[place], indices[place]][0] for place in missing]
            computed.append(self.normalise(pixels))
            return computed[0]

        views = [turn % (self.views or 1) for turn in turns]
        keys = [(self.name, index, view) for index, view in zip(indices, views, strict=True)]
        features = self.features.get(keys, images, turns)
        batch: Batch = {
            "labels": labels_of(targets, self.outputs),
            "indices": torch.tensor(indices, dtype=torch.int64),
            **{f"features{number}": value for number, value in enumerate(features)},
        }
        if computed and len(computed[0]) == len(items):
            batch["images"] = computed[0]
        return batch

    def _drawn_turn(self, turn: int) -> int:
        """The turn whose random numbers the images of ``turn`` have."""
        if self.views is None:
            return 0
        return turn // (self.views * self.uses) * self.views + turn % self.views
