"""How good predictions for labelled images are, class by class: plain data, and a CSV file of it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from visionlora.files import replacing
from visionlora.report.intervals import wilson_interval
from visionlora.text import csv_safe

COLUMNS = ("class", "images", "precision", "recall", "recall_low", "recall_high", "f1", "recall_before")


@dataclass(frozen=True)
class ClassScores:
    """One class among labelled images.

    Attributes:
        name: of the class.
        images: how many are of it.
        precision: of the images that were given this class, the share that is of it; None: none was given it.
        recall: of the images of it, the share that was given it (its top-1); None: there are none.
        recall_before: the same before training; None: not measured.
    """

    name: str
    images: int
    precision: float | None
    recall: float | None
    recall_before: float | None

    @property
    def f1(self) -> float | None:
        """The harmonic mean of precision and recall; None where one of them is."""
        if self.precision is None or self.recall is None:
            return None
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


@dataclass(frozen=True)
class Bin:
    """Images whose most probable class has a probability in one range.

    Attributes:
        images: how many.
        confidence: the mean of that probability.
        correct: the share of them that is of that class.
    """

    images: int
    confidence: float
    correct: float


@dataclass(frozen=True)
class ClassificationReport:
    """Predictions for labelled images after training.

    Attributes:
        images: which, in words.
        selected: what these images chose in the run.
        classes: the trained classes.
        confusion: counts, the true class by row, the predicted one by column; the last of both stands for
            every other output.
        bins: of a reliability diagram, from unsure to sure.
        calibration_error: expected calibration error.
    """

    images: str
    selected: Sequence[str]
    classes: Sequence[ClassScores]
    confusion: Sequence[Sequence[int]]
    bins: Sequence[Bin]
    calibration_error: float


def write_classes(report: ClassificationReport, path: Path) -> None:
    """Write the figures of each class as CSV: ``COLUMNS``; a figure that does not exist is left empty."""
    with replacing(path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for one in report.classes:
            low, high = (
                (None, None) if one.recall is None else wilson_interval(min(one.recall, 1.0), one.images)
            )
            figures = (one.precision, one.recall, low, high, one.f1, one.recall_before)
            shown = ["" if value is None else f"{value:.6g}" for value in figures]
            writer.writerow([csv_safe(one.name), one.images, *shown])
