"""The endless stream of anchor pictures that the frozen network teaches on."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from visionlora.data.augment import Normalise, Preprocessing, Transform, evaluation_transform, seeded
from visionlora.data.cache import Memory, PictureCache
from visionlora.data.loading import Batch, shuffled
from visionlora.data.pictures import Picture


class AnchorStream:
    """Anchor batches as a function of (seed, step) alone: there is nothing to save and nothing to restore.

    Each anchor has ``views`` fixed augmented views, so whatever the frozen network says about (anchor, view)
    can be kept and used again. The stream goes through all anchors in a shuffled order, then again in
    another order and in the next view, and so on: after ``views`` passes every pair was seen once.

    Args:
        anchors: picture files, or decoded pictures (uint8 (3, H, W)).
        per_step: pictures in a batch.
        preprocessing: sizes and normalisation.
        transform: uint8 (3, H, W) to uint8 (3, crop, crop), random.
        cache: where picture files are read.
        views: fixed augmented views of each anchor.
        seed: of the order and of the views.
        budget_mb: megabytes of finished views to keep, so that they are made once.
    """

    def __init__(
        self,
        anchors: Sequence[Picture | Tensor],
        per_step: int,
        preprocessing: Preprocessing,
        transform: Transform,
        cache: PictureCache | None = None,
        *,
        views: int = 4,
        seed: int = 0,
        budget_mb: float = 256,
    ) -> None:
        self.anchors = tuple(anchors)
        self.per_step = per_step
        self.views = views
        self.seed = seed
        self.transform = transform
        self.cache = cache or PictureCache(0, preprocessing.resize, preprocessing.interpolation)
        self.normalise = Normalise(preprocessing.mean, preprocessing.std)
        self.unaugmented = evaluation_transform(preprocessing)
        self._finished = Memory(budget_mb)
        self._order: tuple[int, list[int]] = (-1, [])

    def batch(self, step: int) -> Batch:
        """``images`` float32 (n, 3, S, S), normalised, channels last; ``indices``, ``views`` int64 (n,)."""
        drawn = [self._drawn(step * self.per_step + place) for place in range(self.per_step)]
        indices, views = zip(*drawn, strict=True)
        return {
            "images": self.normalise([self.view(index, view) for index, view in drawn]),
            "indices": torch.tensor(indices, dtype=torch.int64),
            "views": torch.tensor(views, dtype=torch.int64),
        }

    def plain(self, count: int) -> Tensor:
        """``count`` anchors (all, if fewer), spread evenly, normalised, not augmented: (n, 3, S, S)."""
        count = min(count, len(self.anchors))
        chosen = [place * len(self.anchors) // count for place in range(count)]
        return self.normalise([self.unaugmented(self._pixels(index)) for index in chosen])

    def view(self, index: int, view: int) -> Tensor:
        """View number ``view`` of anchor ``index``: uint8 (3, S, S), always the same."""
        finished = self._finished.get((index, view))
        if finished is None:
            with seeded("view", self.seed, view, index):
                # A crop that is not resized would keep the whole picture behind it alive.
                finished = self.transform(self._pixels(index)).clone()
            self._finished.keep((index, view), finished)
        return finished

    def _drawn(self, position: int) -> tuple[int, int]:
        """(anchor, view) at ``position`` of the endless stream."""
        turn, place = divmod(position, len(self.anchors))
        if self._order[0] != turn:
            self._order = (turn, shuffled(len(self.anchors), "anchors", self.seed, turn))
        return self._order[1][place], turn % self.views

    def _pixels(self, index: int) -> Tensor:
        anchor = self.anchors[index]
        return anchor if isinstance(anchor, Tensor) else self.cache.read(anchor.path)
