"""Which rank an adapter would have needed: what it knows with its update cut to each rank.

The intrinsic dimension of a task is the smallest number of directions that hold 90 % of what is learned (Li
et al. 2018, https://arxiv.org/abs/1804.08838). Here the directions are those of the trained update, by their
singular values, so nothing is trained again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from torch import nn

from visionlora.adapters.truncate import Decomposition, truncated
from visionlora.evaluation.images import Batches
from visionlora.evaluation.metrics import top1_lost
from visionlora.evaluation.predictions import Predictions, predict_batches
from visionlora.report.metrics_file import NOT_MEASURED
from visionlora.report.progress import Advance, progress

SHARE = 0.9
"""Of what was learned, and of the squared norm of an update, that the smallest rank keeps."""


def measure_rank_curve(
    network: nn.Module,
    updates: Mapping[str, Decomposition],
    new_images: Batches,
    old_images: Batches | None,
    frozen: Predictions | None,
) -> dict[str, Any]:
    """What the adapter knows with its update cut to rank 0, 1, 2, 4, ... and whole.

    What was learned is top-1 with the whole update minus top-1 without it; rows of a head that were trained
    stay as they are.

    Args:
        network: adapted, nothing merged.
        updates: of its adapters, decomposed.
        new_images: labelled images of the classes that were learned.
        old_images: images of what the network knew before; None: there are none.
        frozen: the frozen network's predictions for them.

    Returns:
        ``rank_curve`` of the evaluation's file.
    """
    with progress(Console(stderr=True), "cutting the update to a rank", "ranks measured") as advance:
        curve = _Curve(network, updates, new_images, old_images, frozen, advance)
        whole = curve.whole
        for rank in (0, *_doubling(whole)):
            curve.top1(rank)
        learned = curve.top1(whole) > curve.top1(0)
        smallest = _smallest(_doubling(whole), curve.kept) if learned else NOT_MEASURED
    return {
        "share": SHARE,
        "smallest_rank": smallest,
        "smallest_rank_by_energy": next(
            rank for rank in range(whole + 1) if _energy(updates, rank) >= SHARE * _energy(updates, whole)
        ),
        "curve": [
            {"rank": rank, **curve.measured[rank], "kept": curve.kept(rank) if learned else NOT_MEASURED}
            for rank in sorted(curve.measured)
        ],
        "layers": {
            name: {"rank": one.rank, "smallest_rank": one.rank_for(SHARE)} for name, one in updates.items()
        },
    }


@dataclass
class _Curve:
    """The figures at each rank that was asked for; a rank is measured once."""

    network: nn.Module
    updates: Mapping[str, Decomposition]
    new_images: Batches
    old_images: Batches | None
    frozen: Predictions | None
    advance: Advance
    measured: dict[int, dict[str, Any]] = field(default_factory=dict)

    @property
    def whole(self) -> int:
        """The rank at which nothing is cut."""
        return max((one.rank for one in self.updates.values()), default=0)

    def top1(self, rank: int) -> float:
        """On the new images, at a rank."""
        if rank not in self.measured:
            with truncated(self.network, self.updates, rank):
                top1 = predict_batches(self.network, self.new_images).top(1)
                old = None if self.old_images is None else predict_batches(self.network, self.old_images)
            total = _energy(self.updates, self.whole)
            energy = _energy(self.updates, rank) / total if total else 1.0
            lost = NOT_MEASURED if old is None or self.frozen is None else top1_lost(self.frozen, old)
            self.measured[rank] = {"energy": energy, "top1": top1, "lost": lost}
            self.advance(len(self.measured), None)
        return float(self.measured[rank]["top1"])

    def kept(self, rank: int) -> float:
        """The share of what was learned that is left at a rank."""
        nothing = self.top1(0)
        return (self.top1(rank) - nothing) / (self.top1(self.whole) - nothing)


def _energy(updates: Mapping[str, Decomposition], rank: int) -> float:
    """The squared norm of all updates that are cut to a rank."""
    return sum(one.energy(rank) for one in updates.values())


def _doubling(whole: int) -> list[int]:
    """1, 2, 4, ... below `whole`, and `whole` itself; none for 0."""
    powers = [2**power for power in range(whole.bit_length()) if 2**power < whole]
    return [*powers, whole] if whole else []


def _smallest(ranks: Sequence[int], kept: Callable[[int], float]) -> int:
    """The smallest rank that keeps `SHARE`: below the first of `ranks` that does, found by halving the
    interval to the one before it, as if a higher rank never knew less."""
    low = 0
    for high in ranks:
        if kept(high) >= SHARE:
            break
        low = high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if kept(middle) >= SHARE else (middle, high)
    return high
