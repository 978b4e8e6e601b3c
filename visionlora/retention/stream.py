"""The endless stream of anchor images that the frozen network teaches on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from visionlora.data.files.seeds import mixed
from visionlora.data.images.identity import identities, ordered
from visionlora.data.loading.image_loader import Batch
from visionlora.data.loading.samplers import ShareSampler
from visionlora.data.loading.targets import UNLABELLED
from visionlora.retention.anchor_views import Anchor, AnchorViews, View
from visionlora.this_process import Process, this_process


class AnchorStream:
    """Anchor batches as a function of (seed, step, anchors) alone: nothing has to be saved and restored.

    Each anchor has ``per_anchor`` fixed augmented views, so the frozen network's logits of a view can be kept
    and used again. ``mixup`` of them are blended with another anchor of the same source: the frozen network
    has an answer to such an image too, and few anchors make many of them (Beyer et al. 2022, section 3.1,
    https://arxiv.org/abs/2106.05237). Anchors may come from several sources (photos, drawings): each gets the
    same share of every step, so that a large one does not displace a small one. The stream goes through a
    source in a shuffled order, then again in another order and in the next view, and so on: after
    ``per_anchor`` passes every pair was seen once.

    Args:
        sources: the anchors by where they come from.
        per_step: images in a batch.
        views: makes their views; its seed is the order's too.
        per_anchor: fixed augmented views of each anchor, with those that are blended.
        mixup: how many of them are blended; they alternate with the others.

    Raises:
        ValueError: there is no source, or one of them is empty.
    """

    def __init__(
        self,
        sources: Sequence[Sequence[Anchor]],
        per_step: int,
        views: AnchorViews,
        per_anchor: int = 4,
        mixup: int = 0,
    ) -> None:
        if not all(map(len, sources or [()])):
            raise ValueError("anchors need a source, and each source needs an anchor")
        self.anchors = tuple(anchor for source in sources for anchor in source)
        self.identities = identities(self.anchors)
        self._anchors = dict(zip(self.identities, self.anchors, strict=True))
        self.sources = tuple(len(source) for source in sources)
        """How many anchors each source has."""
        self._source: dict[str, int] = {}
        """The first source that has an identity: the others do not make its views again."""
        self._last_source: dict[str, int] = {}
        """The last one, with whose anchors it is blended: what is a negative too stays one."""
        for source in range(len(self.sources)):
            for identity in self._own(source):
                self._source.setdefault(identity, source)
                self._last_source[identity] = source
        self.per_step = per_step
        self.views = views
        self.per_anchor = per_anchor
        self.mixup = mixup
        self._orders: dict[int, tuple[int, list[str]]] = {}

    def digest(self) -> str | None:
        """SHA-256 of the anchors that are no files; None: all are."""
        decoded = [
            identity
            for identity, anchor in zip(self.identities, self.anchors, strict=True)
            if isinstance(anchor, Tensor)
        ]
        return hashlib.sha256("".join(decoded).encode()).hexdigest() if decoded else None

    def drawn(self, step: int) -> list[View]:
        """The views of a batch: this process's share of it."""
        return [
            self._drawn(step * self.per_step + number)
            for number in this_process().share(range(self.per_step))
        ]

    def new_in(self, step: int) -> list[int]:
        """The places in a batch whose views no earlier place and no earlier batch of one process has."""
        own = this_process().share(range(step * self.per_step, (step + 1) * self.per_step))
        return [row for row, position in enumerate(own) if self._is_new(position)]

    def first_step(self, view: View) -> int:
        """The step whose batch is the first with this view, as far as its source goes."""
        identity, number = view
        source = self._source[identity]
        place = number * self.sources[source] + self._order(source, number).index(identity)
        return (place * len(self.sources) + source) // self.per_step

    def decode_ahead(self, step: int) -> None:
        """Have threads decode the image files of a step; :meth:`images` waits for them."""
        self.views.decode_ahead(self.drawn(step), self._anchors)

    def images(self, drawn: Sequence[View]) -> Tensor:
        """Views as float32 (n, 3, S, S), normalised, channels last."""
        return self.views.normalise([self.view(view) for view in drawn])

    def plain(self, count: int, among: int | None = None) -> tuple[Tensor, Tensor]:
        """``count`` anchors (all, if fewer) of the first ``among`` (None: of all), spread evenly: indices
        (n,), and images (n, 3, S, S), normalised but not augmented."""
        chosen = spread(count, len(self.anchors) if among is None else among)
        return torch.tensor(chosen, dtype=torch.int64), self.plain_images(chosen)

    def batches(
        self, size: int, most: int | None = None, shared: bool = True, views: int = 1
    ) -> AnchorBatches:
        """Every anchor once, or ``most`` of them, spread evenly, in batches of ``size``; neither shuffled nor
        augmented, or in so many ``views``, of which the first is not (:meth:`AnchorViews.near`). ``shared``:
        several processes have each its share, and not all of them."""
        count = len(self.anchors) if most is None else most
        return AnchorBatches(self, size, spread(count, len(self.anchors)), shared, views)

    def plain_images(self, indices: Sequence[int]) -> Tensor:
        """Anchors without augmentation: (n, 3, S, S), normalised."""
        return self.near_images([(index, 0) for index in indices])

    def near_images(self, rows: Sequence[tuple[int, int]]) -> Tensor:
        """Anchors in the views that hardly differ from them, each by its index and the view's number:
        (n, 3, S, S), normalised."""
        chosen = [(self.identities[index], number) for index, number in rows]
        return self.views.normalise([self.views.near(view, self._anchors[view[0]]) for view in chosen])

    def view(self, view: View) -> Tensor:
        """One view: uint8 (3, S, S), always the same."""
        other = self._other(view)
        return self.views.view(
            view, self._anchors[view[0]], None if other is None else (other, self._anchors[other])
        )

    def _other(self, view: View) -> str | None:
        """The anchor that is blended into this view; None: none is. A negative is blended with a negative, so
        that the trained classes are in neither."""
        identity, number = view
        if (number + 1) * self.mixup // self.per_anchor == number * self.mixup // self.per_anchor:
            return None
        own = self._own(self._last_source[identity])
        start = mixed("other", self.views.seed, number, identity)
        following = (own[(start + place) % len(own)] for place in range(len(own)))
        return next((other for other in following if other != identity), None)

    def _drawn(self, position: int) -> View:
        """The view at ``position`` of the endless stream; the sources take turns."""
        position, source = divmod(position, len(self.sources))
        turn, place = divmod(position, self.sources[source])
        return self._current_order(source, turn)[place], turn % self.per_anchor

    def _is_new(self, position: int) -> bool:
        """Whether what is at this position is the first of its view; copies stand next to each other."""
        position, source = divmod(position, len(self.sources))
        turn, place = divmod(position, self.sources[source])
        if turn >= self.per_anchor:
            return False
        order = self._current_order(source, turn)
        return self._source[order[place]] == source and (place == 0 or order[place - 1] != order[place])

    def _current_order(self, source: int, turn: int) -> list[str]:
        """:meth:`_order`, which is made once for as long as the same pass goes on."""
        if self._orders.get(source, (-1, []))[0] != turn:
            self._orders[source] = (turn, self._order(source, turn))
        return self._orders[source][1]

    def _order(self, source: int, turn: int) -> list[str]:
        """The anchors of a source in the order of one pass through it."""
        own = self._own(source)
        return [own[place] for place in ordered(own, "anchors", self.views.seed, turn)]

    def _own(self, source: int) -> tuple[str, ...]:
        start = sum(self.sources[:source])
        return self.identities[start : start + self.sources[source]]


def spread(count: int, among: int) -> list[int]:
    """``count`` of the first ``among`` numbers (all, if fewer), at even distances."""
    count = min(count, among)
    return [place * among // count for place in range(count)]


class AnchorBatches:
    """Anchors of a stream in order, as batches with the label -1; all views of one follow each other.

    They can be iterated over any number of times.

    Args:
        stream: of the anchors.
        size: images in a batch.
        chosen: which anchors.
        shared: whether they are shared among processes.
        views: of each anchor; the first is not augmented.
    """

    def __init__(
        self, stream: AnchorStream, size: int, chosen: Sequence[int], shared: bool = True, views: int = 1
    ) -> None:
        self.stream = stream
        self.size = size
        self.rows = [(index, number) for index in chosen for number in range(views)]
        self.shared = shared
        self.views = views

    def __len__(self) -> int:
        """Images in all batches of all processes."""
        return len(self.rows)

    def indices(self) -> Iterator[Sequence[int]]:
        """The rows of each batch, those of this process."""
        own = ShareSampler(len(self.rows), this_process() if self.shared else Process()).own
        for start in range(0, len(own), self.size):
            yield own[start : start + self.size]

    def images(self, indices: Sequence[int]) -> Tensor:
        """Those of rows: (n, 3, S, S), normalised."""
        return self.stream.near_images([self.rows[index] for index in indices])

    def __iter__(self) -> Iterator[Batch]:
        for indices in self.indices():
            images = self.images(indices)
            labels = torch.full((len(images),), UNLABELLED)
            yield {"images": images, "labels": labels, "indices": torch.tensor(indices)}
