"""The figures of new, old and contrast images, before and after, with the keys of ``metrics.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from visionlora.evaluation.forgetting import Changes
from visionlora.evaluation.predictions import SCORES, Predictions
from visionlora.report.intervals import with_interval
from visionlora.report.metrics_file import NOT_MEASURED, SELECTED


def top1_lost(frozen: Predictions, now: Predictions) -> float:
    """Top-1 lost on labelled images; on unlabelled ones its estimate from the frozen network's probabilities.

    Args:
        frozen: the frozen network's predictions, over its own outputs.
        now: the adapted network's predictions.
    """
    return frozen.top(1) - now.top(1) if frozen.labelled else now.estimated_lost(frozen)


def validation_metrics(
    predictions: Predictions | None, selected: Sequence[str], names: Mapping[int, str] | None = None
) -> dict[str, Any]:
    """The scores, every accuracy with its interval; each "not measured" where there are no images.

    Args:
        predictions: for the validation images.
        selected: what these images chose.
        names: the trained classes by their outputs; with several, there are figures of each.
    """
    if predictions is None:
        return {**dict.fromkeys(SCORES, NOT_MEASURED), SELECTED: []}
    metrics: dict[str, Any] = {}
    for name, value in predictions.scores().items():
        metrics |= {name: value} if name == "val/loss" else with_interval(name, value, len(predictions))
    balanced = class_metrics(predictions, names or {})
    if balanced:
        metrics["val/balanced_accuracy"] = balanced.pop("balanced_accuracy")
    return {**metrics, **balanced, SELECTED: list(selected)}


def accuracy_metrics(
    predictions: Predictions | None, selected: Sequence[str], names: Mapping[int, str] | None = None
) -> dict[str, Any] | str:
    """The same for labelled images that are not the run's validation images; with their number."""
    if predictions is None:
        return NOT_MEASURED
    figures = validation_metrics(predictions, selected, names).items()
    return {"pictures": len(predictions), **{name.removeprefix("val/"): value for name, value in figures}}


def class_metrics(predictions: Predictions, names: Mapping[int, str]) -> dict[str, Any]:
    """Top-1 of each class, and its mean over them (balanced accuracy), in which a class with few images
    counts as much as one with many; nothing where images show fewer than two classes."""
    classes: dict[str, Any] = {}
    for output, name in names.items():
        own = predictions.labels == output
        count = int(own.sum())
        if count:
            top1 = with_interval("top1", predictions.subset(own).top(1), count)
            classes[name] = {"pictures": count, **top1}
    if len(classes) < 2:
        return {}
    balanced = sum(one["top1"] for one in classes.values()) / len(classes)
    return {"balanced_accuracy": balanced, "per_class": classes}


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
    metrics: dict[str, Any] = {"pictures": count, "labelled": frozen.labelled}
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
        before: the frozen network's predictions; None where it has no output for any class.
        after: the adapted network's predictions; None where there are no images.
        targets: the outputs of the trained classes.
        selected: what these images chose.
    """
    if after is None:
        return NOT_MEASURED
    count, first = len(after), "before/false_positive_rate"
    frozen = {first: NOT_MEASURED}
    if before is not None:
        frozen = with_interval(first, before.share_predicted(targets), count)
    return {
        "pictures": count,
        **frozen,
        **with_interval("after/false_positive_rate", after.share_predicted(targets), count),
        SELECTED: list(selected),
    }
