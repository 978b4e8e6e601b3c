"""The figures of new, old and contrast images, before and after, with the keys of ``metrics.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from visionlora.evaluation.forgetting import Changes
from visionlora.evaluation.predictions import Predictions
from visionlora.report.intervals import with_interval
from visionlora.report.metrics_file import NOT_MEASURED, SELECTED
from visionlora.tasks.base import Task


def top1_lost(frozen: Predictions, now: Predictions) -> float:
    """Top-1 lost on labelled images; on unlabelled ones its estimate from the frozen network's probabilities.

    Args:
        frozen: the frozen network's predictions, over its own outputs.
        now: the adapted network's predictions.
    """
    return frozen.top(1) - now.top(1) if frozen.labelled else now.estimated_lost(frozen)


def validation_metrics(
    task: Task, predictions: Predictions | None, selected: Sequence[str], names: Mapping[int, str]
) -> dict[str, Any]:
    """The task's figures, as ``val/...``, and those of each class; "not measured" where there are no images.

    Args:
        task: what was learned.
        predictions: for the validation images.
        selected: what these images chose.
        names: the trained classes by their outputs.
    """
    if predictions is None:
        return {**{f"val/{name}": NOT_MEASURED for name in task.figures}, SELECTED: []}
    figures = task.metrics(predictions.logits, predictions.labels, names)
    named = {name if isinstance(value, dict) else f"val/{name}": value for name, value in figures.items()}
    return {**named, SELECTED: list(selected)}


def accuracy_metrics(
    task: Task, predictions: Predictions | None, selected: Sequence[str], names: Mapping[int, str]
) -> dict[str, Any] | str:
    """The same for labelled images that are not the run's validation images; with their number."""
    if predictions is None:
        return NOT_MEASURED
    figures = task.metrics(predictions.logits, predictions.labels, names)
    return {"images": len(predictions), **figures, SELECTED: list(selected)}


def retention_metrics(
    changes: Changes | None, targets: Sequence[int], selected: Sequence[str] = ()
) -> dict[str, Any] | str:
    """How much of what the network knew it still knows, and which classes it does not.

    Args:
        changes: its predictions for old images; None where there are none.
        targets: the outputs of the trained classes.
        selected: what these images chose.
    """
    if changes is None:
        return NOT_MEASURED
    frozen, after = changes.frozen, changes.now
    count = len(frozen)
    metrics: dict[str, Any] = {"images": count, "labelled": frozen.labelled}
    if frozen.labelled:
        metrics |= with_interval("before/top1", frozen.top(1), count)
        metrics |= with_interval("after/top1", after.top(1), count)
    return {
        **metrics,
        "lost": top1_lost(frozen, after),
        "estimated_lost": after.estimated_lost(frozen),
        **with_interval("agreement", after.agreement(frozen), count),
        "divergence": after.divergence(frozen),
        "changes": changes.metrics(targets),
        SELECTED: list(selected),
    }


def contrast_metrics(
    before: Predictions | None,
    after: Predictions | None,
    targets: Sequence[int],
    selected: Sequence[str] = (),
) -> dict[str, Any] | str:
    """The false-positive rate on images of other things: how many get one of the trained names.

    Args:
        before: the frozen network's predictions; None where there are no images, as with a new head: each of
            its outputs is a trained class, so every image would count.
        after: the adapted network's predictions.
        targets: the outputs of the trained classes.
        selected: what these images chose.
    """
    if before is None or after is None:
        return NOT_MEASURED
    count = len(after)
    return {
        "images": count,
        **with_interval("before/false_positive_rate", before.share_predicted(targets), count),
        **with_interval("after/false_positive_rate", after.share_predicted(targets), count),
        SELECTED: list(selected),
    }


def class_metrics(
    now: Predictions, before: Predictions | None, names: Sequence[str], outputs: Sequence[int]
) -> dict[str, Any]:
    """The figures of labelled images of the trained classes: all together, and of each class.

    Args:
        now: the adapted network's predictions.
        before: the frozen network's; None where its outputs are others.
        names: of all outputs.
        outputs: of the trained classes.
    """
    count = len(now)
    frozen: dict[str, Any] | str = NOT_MEASURED
    if before is not None:
        frozen = with_interval("top1", before.top(1), count) | with_interval("top5", before.top(5), count)
    each = {}
    for output in outputs:
        chosen = now.labels == output
        images = int(chosen.sum())
        each[names[output]] = {
            "images": images,
            **with_interval("top1", now.subset(chosen).top(1), images),
            "frozen_top1": before.subset(chosen).top(1) if before else NOT_MEASURED,
        }
    return {
        **with_interval("top1", now.top(1), count),
        **with_interval("top5", now.top(5), count),
        "loss": now.loss(),
        "calibration_error": now.calibration_error(),
        "frozen": frozen,
        "per_class": each,
        "confusion": {
            "classes": [*(names[output] for output in outputs), "anything else"],
            "counts": now.confusion(outputs).tolist(),
        },
    }
