"""Which old classes suffered, what their images are called now, and those images."""

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
from visionlora.evaluation.predictions import Answers, named
from visionlora.report.intervals import with_interval
from visionlora.report.sheet import PredictionRow, before_after_sheet

MOST = 50
"""At most so many classes are listed, those that suffered most first."""


@dataclass(frozen=True)
class Changes:
    """The frozen network's answers about old images beside those of now.

    An image belongs to the class of its label or, where nobody labelled it, of the frozen network's answer.

    Attributes:
        frozen: the frozen network's answers, over its own outputs.
        now: the adapted network's answers about the same images.
        outputs: the adapted network's outputs.
    """

    frozen: Answers
    now: Answers
    outputs: Sequence[str]

    @cached_property
    def classes(self) -> Tensor:
        """Each image's class, int64, shape (images,)."""
        return self.frozen.labels if self.frozen.labelled else self.frozen.logits.argmax(1)

    @cached_property
    def right_before(self) -> Tensor:
        """Which images the frozen network calls by their class; unlabelled, all. Bool, (images,)."""
        return self.frozen.logits.argmax(1) == self.classes

    @cached_property
    def right_now(self) -> Tensor:
        """Which images the adapted network calls by their class. Bool, (images,)."""
        return self.now.logits.argmax(1) == self.classes

    @property
    def forgotten(self) -> Tensor:
        """Right before, not any more. Bool, (images,)."""
        return self.right_before & ~self.right_now

    @property
    def gained(self) -> Tensor:
        """Right now, and not before. Bool, (images,)."""
        return ~self.right_before & self.right_now

    def suffered(self) -> Counter[int]:
        """How many images of each class were forgotten."""
        return Counter(self.classes[self.forgotten].tolist())

    def figures(self, targets: Sequence[int]) -> dict[str, Any]:
        """The changes as ``metrics.json`` has them.

        Args:
            targets: the outputs of the trained classes.
        """
        said = self.now.logits.argmax(1)[self.forgotten]
        return {
            "forgotten": int(self.forgotten.sum()),
            "gained": int(self.gained.sum()),
            "forgotten_for_a_trained_name": int(torch.isin(said, torch.tensor(list(targets))).sum()),
            "classes": [self._class(output) for output, _ in self.suffered().most_common(MOST)],
        }

    def _class(self, output: int) -> dict[str, Any]:
        own = self.classes == output
        count = int(own.sum())
        said = self.now.logits.argmax(1)[own & self.forgotten].tolist()
        return {
            "class": self.outputs[output],
            "pictures": count,
            **with_interval("before/top1", float(self.right_before[own].float().mean()), count),
            **with_interval("after/top1", float(self.right_now[own].float().mean()), count),
            "now": dict(Counter(self.outputs[name] for name in said).most_common()),
        }

    def rows(self, images: Sequence[ImageFile]) -> list[PredictionRow]:
        """The forgotten images, those of the class that suffered most first.

        Args:
            images: in the order of the answers.
        """
        suffered = self.suffered()
        places = torch.nonzero(self.forgotten)[:, 0].tolist()
        places.sort(key=lambda place: (-suffered[int(self.classes[place])], int(self.classes[place])))
        was, is_now = named(self.frozen.logits, self.outputs, 3), named(self.now.logits, self.outputs, 3)
        labelled = self.frozen.labelled
        return [
            PredictionRow(
                path=images[place].path,
                truth=self.outputs[int(self.classes[place])] if labelled else None,
                before=was[place],
                after=is_now[place],
            )
            for place in places
        ]

    def line(self) -> str:
        """The changes in one line."""
        forgotten, gained = int(self.forgotten.sum()), int(self.gained.sum())
        if not self.frozen.labelled:
            return f"{forgotten} of {len(self.classes)} old images get another name than before"
        right = int(self.right_before.sum())
        return f"{forgotten} of {right} old images that were right are wrong now, {gained} others are right"


def changes_sheet(changes: Changes | None, images: Sequence[ImageFile], path: Path) -> None:
    """Draw every forgotten image; where there is none, or nothing to look at, the sheet says so."""
    title = "What was forgotten"
    if changes is None:
        before_after_sheet([], path, title=title, line="not measured: there were no retention images")
    else:
        before_after_sheet(changes.rows(images), path, title=title, line=changes.line())
