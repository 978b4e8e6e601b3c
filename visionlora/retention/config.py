"""What the configuration may say about keeping old knowledge and about negatives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from visionlora.settings import require


@dataclass(frozen=True)
class RetentionConfig:
    """How what the network knew is kept, and how it is measured."""

    anchors: str | Sequence[str] = "auto"
    generated: int = 256
    inversion_seconds: float = 240.0
    per_step: int | str = "auto"
    weight: float | str = "auto"
    temperature: float = 1.0
    drift: float | str = "auto"
    views: int = 4
    root: str | None = "auto"
    budget: float | None = 0.01
    least_learned: float = 0.5
    strengths: int = 10

    def __post_init__(self) -> None:
        require(self.anchors == "auto" or not isinstance(self.anchors, str),
                "anchors is auto or a list, [FOLDER, ...]", self.anchors)  # fmt: skip
        per_step = self.per_step
        valid = per_step == "auto" or (not isinstance(per_step, str) and per_step >= 0)
        require(valid, "per_step is auto or at least 0", per_step)
        require(self.inversion_seconds >= 0, "inversion_seconds is at least 0", self.inversion_seconds)
        weight = self.weight
        valid = weight == "auto" or (not isinstance(weight, str) and weight >= 0)
        require(valid, "weight is auto or at least 0", weight)
        drift = self.drift
        valid = drift == "auto" or (not isinstance(drift, str) and drift >= 0)
        require(valid, "drift is auto or at least 0", drift)
        require(self.temperature > 0, "temperature is above 0", self.temperature)
        require(self.views >= 1, "views is at least 1", self.views)
        budget = self.budget
        require(budget is None or 0 <= budget <= 1, "budget is a share from 0 to 1, or null", budget)
        least = self.least_learned
        require(0 <= least <= 1, "least_learned is a share from 0 to 1", least)
        require(self.strengths >= 2, "strengths is at least 2", self.strengths)

    @property
    def distils(self) -> bool:
        """Whether anchors are used at all."""
        return self.per_step != 0 and self.weight != 0

    def per_step_for(self, images: int) -> int:
        """Anchors in a step with so many new images.

        ``auto`` is half as many as new ones, rounded up: their frozen answers are kept, so such a step costs
        half as much again as one without anchors.
        """
        return -(-images // 2) if isinstance(self.per_step, str) else self.per_step

    def weight_for(self, outputs: int) -> float:
        """The distillation's weight for a network of that many outputs.

        ``auto`` grows with what there is to forget: 3.4 for ImageNet's 1,000, 1.0 for pocket's 20. Measured
        on both, larger weights learn less, smaller ones keep less (docs/keeping.md).
        """
        return 0.1967 * math.log(outputs) ** 1.482 if isinstance(self.weight, str) else self.weight

    def drift_for(self, outputs: int, classes: int) -> float:
        """The drift's weight for a network of that many outputs that learns that many classes.

        ``auto`` grows with what there is to forget and falls with what there is to learn. For one class it is
        220 with ImageNet's 1,000 outputs and 1.2 with pocket's 20; for 142 of the 1,000 it is 48. Measured on
        these three: docs/keeping.md.
        """
        if not isinstance(self.drift, str):
            return self.drift
        return 0.00128 * math.log(outputs) ** 6.237 / max(1, classes) ** 0.306


@dataclass(frozen=True)
class ContrastConfig:
    """Images of other things in the new style: some to learn with, others to measure with."""

    anchors: str | Sequence[str] = "auto"
    generated: int = 128
    root: str | None = None
    budget: float | None = 0.05

    def __post_init__(self) -> None:
        require(self.anchors == "auto" or not isinstance(self.anchors, str),
                "anchors is auto or a list, [FOLDER, ...]", self.anchors)  # fmt: skip
        require(self.generated >= 0, "generated is at least 0", self.generated)
        budget = self.budget
        require(budget is None or 0 <= budget <= 1, "budget is a share from 0 to 1, or null", budget)
