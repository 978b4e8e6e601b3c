"""The views of anchors: fixed, augmented, made once; and anchors without augmentation."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from visionlora.data.config import AugmentConfig
from visionlora.data.images.augment import (
    Normalise,
    Transform,
    evaluation_transform,
    seeded,
    training_transform,
)
from visionlora.data.images.cache import ImageCache, Memory
from visionlora.data.images.decode import ImageFile
from visionlora.data.images.preprocessing import Preprocessing

Anchor = ImageFile | Tensor
"""An image file, or a decoded image: uint8 (3, H, W)."""
View = tuple[str, int]
"""Which view of an anchor: its identity (:func:`visionlora.data.images.identity.identities`) and its number.
Byte copies of an anchor share it, wherever they stand in a list."""
SHARE_OF_OTHER = 0.1, 0.5
"""How much of a blended view is the other anchor: from nearly nothing to as much as the anchor itself."""

LEAST_NEAR = 0.7
"""The share of its area that a view near an anchor keeps. Crops from half of it on, in other colours, told of
several times the loss where a network knows its images well (docs/forgetting.md)."""


class AnchorViews:
    """Makes the views of anchors, each a function of (seed, anchor, number, what is blended into it) alone.

    Args:
        preprocessing: sizes and normalisation.
        transform: uint8 (3, H, W) to uint8 (3, crop, crop), random.
        cache: where image files are read; None: decoded each time.
        seed: of the views.
        budget_mb: megabytes of finished views to keep, so that they are made once.
        flip: the share of the views near an anchor that are mirrored.
    """

    def __init__(
        self,
        preprocessing: Preprocessing,
        transform: Transform,
        cache: ImageCache | None = None,
        seed: int = 0,
        budget_mb: float = 256,
        flip: float = 0.0,
    ) -> None:
        self.transform = transform
        self.cache = cache or ImageCache(0, preprocessing.resize, preprocessing.interpolation)
        self.seed = seed
        self.normalise = Normalise(preprocessing.mean, preprocessing.std)
        self.unaugmented = evaluation_transform(preprocessing)
        self.cropped = training_transform(
            AugmentConfig(crop_scale=(LEAST_NEAR, 1.0), horizontal_flip=flip, colour_jitter=0), preprocessing
        )
        self._finished = Memory(budget_mb)
        self._threads = ThreadPoolExecutor(min(4, os.cpu_count() or 1))
        self._ahead: dict[str, Future[Tensor]] = {}
        """Image files that are being decoded, by identity."""

    def decode_ahead(self, views: Sequence[View], anchors: Mapping[str, Anchor]) -> None:
        """Have threads decode the image files of these views that are not in memory; :meth:`view` waits.

        The views are made by the calling thread, so their random numbers stay the same.
        """
        wanted = {
            view[0]: anchor.path
            for view in views
            if isinstance(anchor := anchors[view[0]], ImageFile)
            and self._finished.get(view) is None
            and self.cache.memory.get(anchor.path) is None
        }
        self._ahead = {
            identity: self._threads.submit(self.cache.decode, path) for identity, path in wanted.items()
        }

    def view(self, view: View, anchor: Anchor, other: tuple[str, Anchor] | None = None) -> Tensor:
        """One view of the anchor, always the same.

        Args:
            view: which one.
            anchor: the image.
            other: what is blended into it, with its identity: mixup (Zhang et al. 2018, equation 1,
                https://arxiv.org/abs/1710.09412) of two images that are cropped and flipped alone.

        Returns:
            uint8 (3, S, S).
        """
        finished = self._finished.get(view)
        if finished is None:
            identity, number = view
            with seeded("view", self.seed, number, identity):
                # A crop that is not resized would keep the whole image behind it alive.
                finished = self.transform(self._pixels(identity, anchor)).clone()
                if other is not None:
                    share = float(torch.empty(1).uniform_(*SHARE_OF_OTHER))
                    second = self.transform(self._pixels(*other))
                    finished = finished.float().lerp(second.float(), share).round().byte()
            self._finished.keep(view, finished)
        return finished

    def near(self, view: View, anchor: Anchor) -> Tensor:
        """A view that hardly differs from the anchor, always the same: uint8 (3, S, S).

        Number 0 is the anchor without augmentation, the others are random crops of at least
        :data:`LEAST_NEAR` of its area.
        """
        identity, number = view
        pixels = self._pixels(identity, anchor)
        if number == 0:
            return self.unaugmented(pixels)
        with seeded("near", self.seed, number, identity):
            return self.cropped(pixels)

    def _pixels(self, identity: str, anchor: Anchor) -> Tensor:
        if isinstance(anchor, Tensor):
            return anchor
        decoding = self._ahead.pop(identity, None)
        if decoding is None:
            return self.cache.read(anchor.path)
        pixels = decoding.result()
        self.cache.memory.keep(anchor.path, pixels)
        return pixels
