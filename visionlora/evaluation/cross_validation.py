"""The summary of a cross-validated run."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from visionlora.report.intervals import with_interval
from visionlora.report.metrics_file import SELECTED


def summarize_folds(folds: Sequence[dict[str, Any]], images: int) -> dict[str, Any]:
    """What the runs of all folds found, as ``folds`` of ``metrics.json``.

    Args:
        folds: their ``metrics.json``.
        images: how many there are in all: each is judged in one fold.
    """
    top1, loss = ([fold["test"]["after"][key] for fold in folds] for key in ("top1", "loss"))
    counts = [fold["images"]["test"] for fold in folds]

    def mean(values: Sequence[float]) -> float:
        return sum(value * count for value, count in zip(values, counts, strict=True)) / images

    return {
        "count": len(folds),
        "val/top1_each": top1,
        "val/top1_deviation": statistics.stdev(top1),
        **with_interval("val/top1", mean(top1), images),
        "val/loss": mean(loss),
        "strength_each": [fold["strength"]["chosen"] for fold in folds],
        SELECTED: [],
    }
