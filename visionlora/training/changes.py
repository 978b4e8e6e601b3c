"""Which old classes suffered, what their pictures are called now, and those pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from visionlora.data import Picture
from visionlora.report.sheet import PredictionRow, before_after_sheet
from visionlora.report.wilson import with_interval
from visionlora.training.measure import Answers, named

MOST = 50
"""At most so many classes are listed, those that suffered most first."""


@dataclass(frozen=True)
class Changes:
    """The frozen network's answers about old pictures beside those of now.

    A picture belongs to the class of its label or, where nobody labelled it, of the frozen network's answer.

    Attributes:
        frozen: the frozen network's answers, over its own outputs.
        now: the adapted network's answers about the same pictures.
        outputs: the adapted network's outputs.
    """

    frozen: Answers
    now: Answers
    outputs: Sequence[str]

    @cached_property
    def classes(self) -> Tensor:
        """Each picture's class, int64, shape (pictures,)."""
        return self.frozen.labels if self.frozen.labelled else self.frozen.logits.argmax(1)

    @cached_property
    def right_before(self) -> Tensor:
        """Which pictures the frozen network calls by their class; unlabelled, all. Bool, (pictures,)."""
        return self.frozen.logits.argmax(1) == self.classes

    @cached_property
    def right_now(self) -> Tensor:
        """Which pictures the adapted network calls by their class. Bool, (pictures,)."""
        return self.now.logits.argmax(1) == self.classes

    @property
    def forgotten(self) -> Tensor:
        """Right before, not any more. Bool, (pictures,)."""
        return self.right_before & ~self.right_now

    @property
    def gained(self) -> Tensor:
        """Right now, and not before. Bool, (pictures,)."""
        return ~self.right_before & self.right_now

    def suffered(self) -> Counter[int]:
        """How many pictures of each class were forgotten."""
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

    def rows(self, pictures: Sequence[Picture]) -> list[PredictionRow]:
        """The forgotten pictures, those of the class that suffered most first.

        Args:
            pictures: in the order of the answers.
        """
        suffered = self.suffered()
        places = torch.nonzero(self.forgotten)[:, 0].tolist()
        places.sort(key=lambda place: (-suffered[int(self.classes[place])], int(self.classes[place])))
        was, is_now = named(self.frozen.logits, self.outputs, 3), named(self.now.logits, self.outputs, 3)
        labelled = self.frozen.labelled
        return [
            PredictionRow(
                path=pictures[place].path,
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
            return f"{forgotten} of {len(self.classes)} old pictures get another name than before"
        right = int(self.right_before.sum())
        return f"{forgotten} of {right} old pictures that were right are wrong now, {gained} others are right"


def changes_sheet(changes: Changes | None, pictures: Sequence[Picture], path: Path) -> None:
    """Draw every forgotten picture; where there is none, or nothing to look at, the sheet says so."""
    title = "What was forgotten"
    if changes is None:
        before_after_sheet([], path, title=title, line="not measured: there were no retention pictures")
    else:
        before_after_sheet(changes.rows(pictures), path, title=title, line=changes.line())
