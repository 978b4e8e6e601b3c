"""What a strength of the adapter does, and what it may cost: ``retention.budget`` and ``contrast.budget``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from visionlora.evaluation.images import Evaluation
from visionlora.report.intervals import Z95, wilson_interval

TOLERANCE = 1e-6
"""Shares of images are computed in single precision."""


@dataclass(frozen=True)
class StrengthPoint:
    """One candidate at one strength, and what it does.

    Attributes:
        strength: 0 (the frozen network) to 1 (as trained).
        learned: top-1 on the validation images; 0 where there are none.
        lost: top-1 forgotten, measured or estimated; 0 where it is neither.
        metrics: these figures and others, with the keys of ``metrics.json``.
        false_positives: share of the contrast images that get a trained name; 0 where there are none.
        candidate: which of the run's weights these are.
        measured: False: interpolated between strengths that are.
    """

    strength: float
    learned: float
    lost: float
    metrics: dict[str, float]
    false_positives: float = 0.0
    candidate: str = "last"
    measured: bool = True


@dataclass(frozen=True)
class Budget:
    """What a strength may cost.

    Attributes:
        lost: top-1 that may be forgotten; 1: any.
        false_positives: share of the contrast images that may get a trained name; 1: any.
    """

    lost: float
    false_positives: float = 1.0

    def holds(self, point: StrengthPoint) -> bool:
        """Whether the point is within the budget."""
        return self.excess(point) == 0

    def excess(self, point: StrengthPoint) -> float:
        """By how much the point exceeds the budget, both parts added up."""
        lost = max(0.0, point.lost - self.lost)
        return lost + max(0.0, point.false_positives - self.false_positives)


@dataclass(frozen=True)
class Budgets:
    """One budget, three times, each at least the one before.

    Attributes:
        exact: as it was asked for.
        whole: rounded up to whole images where images are counted.
        plausible: the largest shares whose 95 % interval still holds the budget.
        old: images that measure what is lost; 0: there are none.
        contrast: images that measure false positives; 0: there are none.
    """

    exact: Budget
    whole: Budget
    plausible: Budget
    old: int = 0
    contrast: int = 0

    def intervals(self, point: StrengthPoint) -> dict[str, tuple[float, float]]:
        """The 95 % Wilson intervals of what the point loses and of its false positives, where measured. What
        was gained beyond what was lost counts as no loss; an estimate is taken for a share."""
        shares = {"lost": (point.lost, self.old), "false_positives": (point.false_positives, self.contrast)}
        return {
            name: wilson_interval(min(1.0, max(0.0, share)), count)
            for name, (share, count) in shares.items()
            if count
        }


def in_whole_images(budget: float, count: int) -> float:
    """The budget, rounded up to whole images: 0.01 of 120 is 2 of them."""
    return math.ceil(budget * count - TOLERANCE) / count + TOLERANCE


def largest_plausible(budget: float, count: int) -> float:
    """The largest share of ``count`` images whose Wilson interval holds the budget, at most 1.

    That interval holds exactly the shares that the score test does not reject (Wilson 1927), so this is its
    bound seen from the other side.
    """
    return min(1.0, budget + Z95 * math.sqrt(budget * (1 - budget) / count) + TOLERANCE)


def budgets_for(requested: Mapping[str, float | None], before: Evaluation, frozen: StrengthPoint) -> Budgets:
    """The budgets for a run's images.

    Args:
        requested: for ``retention`` and for ``contrast``; None: any.
        before: the frozen network's predictions.
        frozen: its point; the false positives that it has may remain.
    """
    old = before.retention if before.retention is not None else before.held_out
    contrast = before.contrast
    counts = {
        name: 0 if images is None else len(images)
        for name, images in (("retention", old), ("contrast", contrast))
    }
    # What is estimated is not counted in images.
    counted = {"retention": old is not None and old.labelled, "contrast": True}
    exact, whole, plausible = dict(requested), dict(requested), dict(requested)
    for name, limit in requested.items():
        if limit is None or not counts[name]:
            continue
        if counted[name]:
            exact[name], whole[name] = limit + TOLERANCE, in_whole_images(limit, counts[name])
        plausible[name] = max(whole[name] or 0.0, largest_plausible(limit, counts[name]))
    return Budgets(
        _budget(exact, frozen), _budget(whole, frozen), _budget(plausible, frozen),
        counts["retention"], counts["contrast"],
    )  # fmt: skip


def _budget(limits: Mapping[str, float | None], frozen: StrengthPoint) -> Budget:
    lost, called = limits["retention"], limits["contrast"]
    return Budget(
        1.0 if lost is None else lost, 1.0 if called is None else max(called, frozen.false_positives)
    )
