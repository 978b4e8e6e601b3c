"""Precision, recall, confusion and calibration of predictions for labelled images."""

from __future__ import annotations

from collections.abc import Sequence

from visionlora.evaluation.predictions import Predictions
from visionlora.report.classification_report import Bin, ClassificationReport, ClassScores
from visionlora.tasks.base import Task

BINS = 10


def report_classes(
    before: Predictions | None,
    after: Predictions,
    targets: Sequence[int],
    classes: Sequence[str],
    images: str,
    selected: Sequence[str],
) -> ClassificationReport:
    """The figures of the predictions after training, class by class.

    Args:
        before: the frozen network's predictions for the same images; None where it has no output for any.
        after: the adapted network's.
        targets: the output of each class.
        classes: their names.
        images: which images these are, in words.
        selected: what they chose in the run.
    """
    counts = after.confusion(targets)
    first = before.confusion(targets) if before is not None else None
    scores = []
    for place, name in enumerate(classes):
        own, given, right = (
            int(of) for of in (counts[place].sum(), counts[:, place].sum(), counts[place, place])
        )
        scores.append(
            ClassScores(
                name=name,
                images=own,
                precision=right / given if given else None,
                recall=right / own if own else None,
                recall_before=int(first[place, place]) / own if first is not None and own else None,
            )
        )
    return ClassificationReport(
        images, tuple(selected), scores, counts.tolist(), reliability(after), after.calibration_error()
    )


def reliability(predictions: Predictions, bins: int = BINS) -> list[Bin]:
    """The bins of a reliability diagram (Guo et al. 2017, section 2) that have images.

    Args:
        predictions: for labelled images.
        bins: how many, of equal width from 0 to 1.
    """
    confidence, predicted = predictions.logits.softmax(1).max(1)
    correct = (predicted == predictions.labels).float()
    place = (confidence * bins).long().clamp(max=bins - 1)
    return [
        Bin(int(own.sum()), float(confidence[own].mean()), float(correct[own].mean()))
        for own in (place == index for index in range(bins))
        if bool(own.any())
    ]


def mistakes_first(predictions: Predictions, task: Task) -> list[int]:
    """The places of labelled images, those that are wrong first, and of each kind the largest loss first."""
    losses = image_losses(predictions, task)
    wrong = task.mistakes(predictions.logits, predictions.labels)
    return sorted(range(len(predictions)), key=lambda place: (not bool(wrong[place]), -losses[place]))


def image_losses(predictions: Predictions, task: Task) -> list[float]:
    """The loss of each labelled image in nats."""
    return task.losses(predictions.logits, predictions.labels).tolist()
