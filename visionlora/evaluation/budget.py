"""What a strength of the adapter does, and what it may cost: ``retention.budget`` and ``contrast.budget``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from visionlora.evaluation.images import Evaluation

TOLERANCE = 1e-6
"""Shares of images are computed in single precision."""


@dataclass(frozen=True)
class StrengthPoint:
    """One strength, and what it does.

    Attributes:
        strength: 0 (the frozen network) to 1 (as trained).
        learned: top-1 on the validation images; 0 where there are none.
        lost: top-1 forgotten, measured or estimated; 0 where it is neither.
        metrics: these figures and others, with the keys of ``metrics.json``.
        false_positives: share of the contrast images that get a trained name; 0 where there are none.
    """

    strength: float
    learned: float
    lost: float
    metrics: dict[str, float]
    false_positives: float = 0.0


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


def in_whole_images(budget: float, count: int) -> float:
    """The budget, rounded up to whole images: 0.01 of 120 is 2 of them."""
    return math.ceil(budget * count - TOLERANCE) / count + TOLERANCE


def whole_image_budgets(
    requested: Mapping[str, float | None], before: Evaluation, frozen: StrengthPoint
) -> tuple[Budget, Budget]:
    """The budgets as they are, and rounded up to whole images where images are counted.

    Args:
        requested: for ``retention`` and for ``contrast``; None: any.
        before: the frozen network's predictions.
        frozen: its point; the false positives that it has may remain.
    """
    retention, contrast = before.retention, before.contrast
    counted = {
        "retention": len(retention) if retention is not None and retention.labelled else 0,
        "contrast": len(contrast) if contrast is not None else 0,
    }
    exact, whole = dict(requested), dict(requested)
    for name, limit in requested.items():
        if limit is not None and counted[name]:
            exact[name], whole[name] = limit + TOLERANCE, in_whole_images(limit, counted[name])
    return _budget(exact, frozen), _budget(whole, frozen)


def _budget(limits: Mapping[str, float | None], frozen: StrengthPoint) -> Budget:
    lost, called = limits["retention"], limits["contrast"]
    return Budget(
        1.0 if lost is None else lost, 1.0 if called is None else max(called, frozen.false_positives)
    )
