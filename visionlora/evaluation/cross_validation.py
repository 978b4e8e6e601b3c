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
    top1 = [fold["test"]["after"]["top1"] for fold in folds]
    counts = [fold["images"]["test"] for fold in folds]
    correct = sum(share * count for share, count in zip(top1, counts, strict=True))
    return {
        "count": len(folds),
        "val/top1_each": top1,
        "val/top1_deviation": statistics.stdev(top1),
        **with_interval("val/top1", correct / images, images),
        "strength_each": [fold["strength"]["chosen"] for fold in folds],
        SELECTED: [],
    }
