"""Which old classes are forgotten, what their images are predicted to be now, and those images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from visionlora.data import ImageFile
from visionlora.evaluation.images import Evaluation
from visionlora.evaluation.predictions import Predictions
from visionlora.report.intervals import with_interval
from visionlora.report.sheet import PredictionRow, before_after_sheet
from visionlora.tasks.single_label import decode

MAX_CLASSES = 50
"""At most so many classes are listed, those with the most forgotten images first."""
TOP = 3
"""Predictions of an image that a sheet shows."""


@dataclass(frozen=True)
class Changes:
    """The frozen network's predictions for old images beside the current ones.

    An image belongs to the class of its label or, where it has none, of the frozen network's prediction.

    Attributes:
        frozen: the frozen network's predictions, over its own outputs.
        now: the adapted network's predictions for the same images.
        outputs: the names of the adapted network's outputs.
    """

    frozen: Predictions
    now: Predictions
    outputs: Sequence[str]

    @cached_property
    def classes(self) -> Tensor:
        """The class of each image, int64, shape (images,)."""
        return self.frozen.labels if self.frozen.labelled else self.frozen.predicted

    @cached_property
    def correct_before(self) -> Tensor:
        """Which images the frozen network classifies correctly; unlabelled, all. Bool, (images,)."""
        return self.frozen.predicted == self.classes

    @cached_property
    def correct_now(self) -> Tensor:
        """Which images the adapted network classifies correctly. Bool, (images,)."""
        return self.now.predicted == self.classes

    @property
    def forgotten(self) -> Tensor:
        """Correct before and wrong now. Bool, (images,)."""
        return self.correct_before & ~self.correct_now

    @property
    def gained(self) -> Tensor:
        """Correct now and wrong before. Bool, (images,)."""
        return ~self.correct_before & self.correct_now

    def forgotten_per_class(self) -> Counter[int]:
        """How many images of each class were forgotten."""
        return Counter(self.classes[self.forgotten].tolist())

    def metrics(self, targets: Sequence[int]) -> dict[str, Any]:
        """The changes with the keys of ``metrics.json``.

        Args:
            targets: the outputs of the trained classes.
        """
        predicted = self.now.predicted[self.forgotten]
        return {
            "forgotten": int(self.forgotten.sum()),
            "gained": int(self.gained.sum()),
            "forgotten_for_a_trained_name": int(torch.isin(predicted, torch.tensor(list(targets))).sum()),
            "classes": [
                self._class_metrics(output)
                for output, _ in self.forgotten_per_class().most_common(MAX_CLASSES)
            ],
        }

    def _class_metrics(self, output: int) -> dict[str, Any]:
        own = self.classes == output
        count = int(own.sum())
        predicted = self.now.predicted[own & self.forgotten].tolist()
        return {
            "class": self.outputs[output],
            "images": count,
            **with_interval("before/top1", float(self.correct_before[own].float().mean()), count),
            **with_interval("after/top1", float(self.correct_now[own].float().mean()), count),
            "now": dict(Counter(self.outputs[index] for index in predicted).most_common()),
        }

    def rows(self, images: Sequence[ImageFile]) -> list[PredictionRow]:
        """The forgotten images, those of the most forgotten class first.

        Args:
            images: in the order of the predictions.
        """
        counts = self.forgotten_per_class()
        indices = torch.nonzero(self.forgotten)[:, 0].tolist()
        indices.sort(key=lambda index: (-counts[int(self.classes[index])], int(self.classes[index])))
        before = decode(self.frozen.logits, self.outputs, TOP)
        after = decode(self.now.logits, self.outputs, TOP)
        return [
            PredictionRow(
                path=images[index].path,
                truth=self.outputs[int(self.classes[index])] if self.frozen.labelled else None,
                before=before[index],
                after=after[index],
            )
            for index in indices
        ]

    def summary(self) -> str:
        """The changes in one line."""
        forgotten, gained = int(self.forgotten.sum()), int(self.gained.sum())
        if not self.frozen.labelled:
            return f"{forgotten} of {len(self.classes)} old images get another prediction than before"
        correct = int(self.correct_before.sum())
        return f"of {correct} old images that were right {forgotten} are wrong now; {gained} others are right"


@dataclass(frozen=True)
class BeforeAfter:
    """The predictions before and after training.

    Attributes:
        before: the frozen network's, of old images over its own outputs.
        after: the adapted network's.
        changes: on old images; None where there are none.
    """

    before: Evaluation
    after: Evaluation
    changes: Changes | None

    @classmethod
    def of(cls, before: Evaluation, after: Evaluation, outputs: Sequence[str]) -> BeforeAfter:
        """With the changes; ``outputs`` are the names of the adapted network's outputs."""
        old, new = before.retention, after.retention
        return cls(before, after, None if old is None or new is None else Changes(old, new, outputs))


def changes_sheet(changes: Changes | None, images: Sequence[ImageFile], path: Path) -> None:
    """Draw every forgotten image; an empty sheet states whether there were none or nothing was measured."""
    title = "What was forgotten"
    if changes is None:
        before_after_sheet([], path, title=title, line="not measured: there are no old images")
    else:
        before_after_sheet(changes.rows(images), path, title=title, line=changes.summary())
