"""What the trained network would say at every strength, from a few passes over the images.

Along the strength each logit is a smooth curve: it is computed at a few strengths and interpolated between
them. Which of the values are measured is part of every answer, and only a measured one is ever chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from visionlora.evaluation.budget import StrengthPoint
from visionlora.evaluation.images import Evaluation
from visionlora.evaluation.predictions import Predictions

NODES = 3
"""A curve goes through the logits at so many strengths: the nearest that are known."""


class StrengthGrid:
    """Predictions of every candidate at 1/steps, 2/steps, ..., 1.

    Args:
        measure: runs a candidate at a strength over the images.
        candidates: their names.
        steps: how many strengths there are.
        frozen: the predictions at strength 0 of every candidate; None where that is not the frozen network
            (rows of its head were trained whole).
    """

    def __init__(
        self,
        measure: Callable[[str, float], Evaluation],
        candidates: Sequence[str],
        steps: int,
        frozen: Evaluation | None,
    ) -> None:
        self._measure = measure
        self.candidates = tuple(candidates)
        self.steps = steps
        known = {} if frozen is None else {0: frozen}
        self._known: dict[str, dict[int, Evaluation]] = {name: dict(known) for name in candidates}
        first = (steps // 2, steps) if frozen is not None else (1, -(-steps // 2), steps)
        for name in candidates:
            for step in sorted(set(first), reverse=True):
                self.measure(name, step)

    def measure(self, candidate: str, step: int) -> None:
        """Compute what the candidate predicts at ``step / steps``, unless that is known."""
        if not self.measured(candidate, step):
            self._known[candidate][step] = self._measure(candidate, step / self.steps)

    def measured(self, candidate: str, step: int) -> bool:
        """Whether it was computed."""
        return step in self._known[candidate]

    def at(self, candidate: str, step: int) -> Evaluation:
        """The predictions at ``step / steps``: computed, or interpolated where they were not."""
        known = self._known[candidate]
        if step in known:
            return known[step]
        nearest = sorted(known, key=lambda other: (abs(other - step), other))[:NODES]
        return interpolate({node: known[node] for node in nearest}, step)

    def predicted(self, point: StrengthPoint) -> Evaluation:
        """The predictions of a point."""
        return self.at(point.candidate, round(point.strength * self.steps))


def interpolate(nodes: Mapping[int, Evaluation], at: float) -> Evaluation:
    """The logits on the polynomial through those at ``nodes`` (Lagrange's form), at another place."""
    weights = {}
    for node in nodes:
        weights[node] = 1.0
        for other in nodes:
            if other != node:
                weights[node] *= (at - other) / (node - other)

    def combined(kind: str) -> Predictions | None:
        parts = [(weight, getattr(nodes[node], kind)) for node, weight in weights.items()]
        first = parts[0][1]
        if first is None:
            return None
        logits = sum(weight * part.logits for weight, part in parts[1:]) + parts[0][0] * first.logits
        return replace(first, logits=logits)

    return Evaluation(*map(combined, ("validation", "retention", "contrast", "held_out")))
