"""What a strength does, and what it may cost: ``retention.budget`` and ``contrast.budget``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from visionlora.evaluation.results import Look

ROUNDING = 1e-6
"""The share of an image is computed in single precision."""


@dataclass(frozen=True)
class Point:
    """One strength, and what it does.

    Attributes:
        strength: 0 (the frozen network) to 1 (as trained).
        learned: top-1 on the validation images.
        lost: top-1 forgotten, measured or estimated; 0 where it is neither.
        figures: what of this was measured and others, in ``metrics.json``'s words.
        called: share of the contrast images that get a trained name; 0 where there are none.
    """

    strength: float
    learned: float
    lost: float
    figures: dict[str, float]
    called: float = 0.0


@dataclass(frozen=True)
class Budget:
    """What a strength may cost.

    Attributes:
        lost: top-1 that may be forgotten; 1: any.
        called: share of the contrast images that may get a trained name; 1: any.
    """

    lost: float
    called: float = 1.0

    def holds(self, point: Point) -> bool:
        """Whether the point is inside."""
        return self.excess(point) == 0

    def excess(self, point: Point) -> float:
        """By how much the point is outside, both added up."""
        return max(0.0, point.lost - self.lost) + max(0.0, point.called - self.called)


def in_whole_images(budget: float, count: int) -> float:
    """The budget, rounded up to whole images: 0.01 of 120 is 2 of them."""
    return math.ceil(budget * count - ROUNDING) / count + ROUNDING


def budgets(asked: Mapping[str, float | None], before: Look, frozen: Point) -> tuple[Budget, Budget]:
    """The budgets as they are, and rounded up to whole images where these are counted.

    Args:
        asked: of retention and of contrast; None: any.
        before: the frozen network's answers.
        frozen: its point; what it calls wrongly may stay so.
    """
    retention, contrast = before.retention, before.contrast
    counted = {
        "retention": len(retention.labels) if retention is not None and retention.labelled else 0,
        "contrast": len(contrast.labels) if contrast is not None else 0,
    }
    exact, whole = dict(asked), dict(asked)
    for name, limit in asked.items():
        if limit is not None and counted[name]:
            exact[name], whole[name] = limit + ROUNDING, in_whole_images(limit, counted[name])
    return _budget(exact, frozen), _budget(whole, frozen)


def _budget(limits: Mapping[str, float | None], frozen: Point) -> Budget:
    lost, called = limits["retention"], limits["contrast"]
    return Budget(1.0 if lost is None else lost, 1.0 if called is None else max(called, frozen.called))
