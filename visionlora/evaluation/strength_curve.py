"""What an adapter knows, and what the network still knows, at each strength of a range."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from torch import nn

from visionlora.adapters import merged, scaled
from visionlora.evaluation.images import Batches
from visionlora.evaluation.metrics import top1_lost
from visionlora.evaluation.predictions import Predictions, predict_batches
from visionlora.report.metrics_file import NOT_MEASURED
from visionlora.report.progress import progress


def measure_strength_curve(
    network: nn.Module,
    strengths: Sequence[float],
    new_images: Batches,
    old_images: Batches | None,
    contrast: Batches | None,
    frozen: Predictions | None,
    targets: Sequence[int],
) -> list[dict[str, Any]]:
    """The figures at each strength. Rows of a head that were trained whole stay as they are.

    Args:
        network: adapted, at the strength that counts as 1, nothing merged.
        strengths: from 0 to beyond 1.
        new_images: labelled images of the classes that were learned.
        old_images: images of what the network knew before; None: there are none.
        contrast: images that show none of the learned classes; None: there are none.
        frozen: the frozen network's predictions for the old images.
        targets: the outputs of the learned classes.

    Returns:
        `strength_curve` of the evaluation's file: strength, learned (top-1 on the new images), kept (top-1 on
        the old ones), lost, and the false-positive rate.
    """
    points = []
    with progress(Console(stderr=True), "measuring strengths", "strengths") as advance:
        for strength in strengths:
            with scaled(network, strength), merged(network):
                new = predict_batches(network, new_images)
                old = None if old_images is None else predict_batches(network, old_images)
                others = None if contrast is None else predict_batches(network, contrast)
            points.append(
                {
                    "strength": strength,
                    "learned": new.top(1),
                    "kept": NOT_MEASURED if old is None or not old.labelled else old.top(1),
                    "lost": NOT_MEASURED if old is None or frozen is None else top1_lost(frozen, old),
                    "false_positive_rate": NOT_MEASURED
                    if others is None
                    else others.share_predicted(targets),
                }
            )
            advance(len(points), len(strengths))
    return points
