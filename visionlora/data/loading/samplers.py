"""Which image comes when: orders that are a function of the seed, the epoch and the images alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from torch.utils.data import Sampler

from visionlora.data.images.identity import ordered
from visionlora.data.loading.targets import Target
from visionlora.this_process import Process


class EpochSampler(Sampler[tuple[int, int]]):
    """Every index so many times an epoch, as (turn, index), in an order of (seed, epoch, images) alone.

    Several processes share every step's images, so the steps are those of one process: of each ``batch`` in
    that order a process has every ``here.count``-th. Where a last, small batch leaves it none, it computes
    the first one all the same, for nothing (:meth:`share` is 0).

    A turn is a number that no other serving of the index has: the epoch, where each comes once. It travels
    with the index, so worker processes need no state. Lightning calls :meth:`set_epoch`.

    Args:
        repeats: how often each index comes in an epoch, at least once.
        identities: of the images; where one stands in the order depends on its own and on no index.
        seed: of the order.
        batch: images of a step.
        here: which of how many processes this is.
    """

    def __init__(
        self,
        repeats: Sequence[int],
        identities: Sequence[str],
        seed: int,
        batch: int = 1,
        here: Process | None = None,
    ) -> None:
        self.repeats = tuple(repeats)
        self.identities = tuple(identities)
        self.most = max(self.repeats, default=1)
        self.total = sum(self.repeats)
        """Indices in an epoch, those of all processes together."""
        self.seed = seed
        self.batch = batch
        self.here = here or Process()
        self.epoch = 0
        self.start = 0
        """How many indices the next pass leaves out: those that an interrupted epoch had already served."""

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next pass."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self._own(range(self.total)))

    def __iter__(self) -> Iterator[tuple[int, int]]:
        slots = [
            (self.epoch * self.most + turn, index)
            for turn in range(self.most)
            for index, times in enumerate(self.repeats)
            if turn < times
        ]
        names = [f"{turn},{self.identities[index]}" for turn, index in slots]
        order = self._own(ordered(names, "epoch", self.seed))
        return iter([slots[place] for place in order[self.start :]])

    def share(self, number: int) -> float:
        """By how much this process's mean over batch ``number`` of an epoch is multiplied, so that the mean
        over the processes is the mean over the whole batch."""
        first = number * self.batch
        whole = range(first, min(first + self.batch, self.total))
        return len(self.here.share(whole)) * self.here.count / len(whole)

    def _own(self, order: Sequence[int]) -> Sequence[int]:
        if self.here.count == 1:
            return order
        batches = [order[start : start + self.batch] for start in range(0, len(order), self.batch)]
        return [place for batch in batches for place in self.here.share(batch) or batch[:1]]


def balanced_repeats(targets: Sequence[Target]) -> list[int]:
    """How often each image comes where every class comes as often as the largest one has images."""
    counts = Counter(targets)
    most = max(counts.values(), default=0)
    seen: Counter[Target] = Counter()
    repeats = []
    for target in targets:
        whole, rest = divmod(most, counts[target])
        repeats.append(whole + (seen[target] < rest))
        seen[target] += 1
    return repeats


def filling_repeats(repeats: Sequence[int], batch_size: int) -> list[int]:
    """``repeats``, multiplied where the only batch would be half empty or more.

    Each time an image has the transform's other random numbers (batch augmentation: Hoffer et al. 2020,
    https://arxiv.org/abs/1901.09335).
    """
    times = max(1, batch_size // max(1, sum(repeats)))
    return [times * one for one in repeats]


class ShareSampler(Sampler[int]):
    """This process's share of the indices, in order; where there are fewer than processes, at least one."""

    def __init__(self, size: int, here: Process) -> None:
        self.own = here.share(range(size)) or range(min(1, size))

    def __len__(self) -> int:
        return len(self.own)

    def __iter__(self) -> Iterator[int]:
        return iter(self.own)
