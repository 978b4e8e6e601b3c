"""Options about what keeps the old knowledge, and how it is measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from visionlora.models.automatic_rank import MANY_CLASSES
from visionlora.options import Section, option

INVERSION = 5e11
"""Multiplications of one forward pass of each image that is optimised, added up: two cores take about a
minute for its 24 steps forward and back, at half the size."""
FEWEST_INVERTED = 32
_LOGITS = ((32, 100.0), (16, 30.0), (0, 10.0))
"""Rank from which on the logits have this weight."""


@dataclass(frozen=True)
class RetentionConfig(Section):
    """How old knowledge is kept, and how forgetting is measured."""

    anchors: str | Sequence[str] = option(
        "auto",
        "folders of unlabelled images to keep the old answers on; auto: own, else generated and shipped",
        words=("auto",), path=True,
    )  # fmt: skip
    generated: int = option(
        256, "images that the run generates where there are no anchors", at_least=0, at_most=100_000
    )
    inverted: int | str = option(
        "auto", "generated images to optimise by model inversion; auto: fewer for large networks; 0: none",
        words=("auto",), at_least=0, at_most=100_000,
    )  # fmt: skip
    per_step: int | str = option(
        "auto", "anchors in a step; auto: half as many as new images; 0: no distillation",
        words=("auto",), at_least=0, at_most=65536,
    )  # fmt: skip
    weight: float | str = option(
        "auto", "weight of the distillation loss; auto grows with the number of outputs; 0: no distillation",
        words=("auto",), at_least=0, at_most=1e6,
    )  # fmt: skip
    logits: float | str = option(
        "auto",
        "weight of how far logits on anchors move; auto: 0 below 16 classes, else 10 to 100, by the rank",
        words=("auto",), at_least=0, at_most=1e6,
    )  # fmt: skip
    temperature: float = option(1.0, "temperature of the distillation loss", at_least=1e-3, at_most=1e6)
    drift: float | str = option(
        "auto", "weight of how far the update moves each layer's output on anchors (drift penalty); 0: none",
        words=("auto",), at_least=0, at_most=1e9,
    )  # fmt: skip
    views: int = option(4, "augmented views of each anchor", at_least=1, at_most=10_000)
    mixup: float | str = option(
        "auto",
        "share of the views that are blended with another anchor; auto: half from 16 classes on, else 0",
        words=("auto",), at_least=0, at_most=1,
    )  # fmt: skip
    root: str | None = option(
        "auto",
        "folder, of classes or unlabelled, to measure forgetting on; auto: the network's; null: not measured",
        words=("auto",), path=True,
    )  # fmt: skip
    budget: float | None = option(
        0.01, "share of top-1 that may be lost when the adapter's strength is chosen; null: any",
        at_least=0, at_most=1,
    )  # fmt: skip
    least_learned: float = option(
        0.5, "share of what can be learned below which the budget is exceeded instead", at_least=0, at_most=1
    )
    strengths: int = option(10, "how many strengths are tried", at_least=2, at_most=1000)

    def check(self) -> None:
        object.__setattr__(self, "anchors", _folders(self.anchors))
        if not isinstance(self.mixup, str) and self.mixup > 0 and not self.blended_views(0):
            raise ValueError(
                f"mixup is {self.mixup:g}: of {self.views} views that is none; give at least "
                f"{1 / self.views:g}, or more views"
            )

    @property
    def distils(self) -> bool:
        """Whether anchors are used at all."""
        return self.per_step != 0 and self.weight != 0

    def resolved(self, outputs: int, classes: int, images: int, task: str, rank: int) -> RetentionConfig:
        """With the numbers that ``auto`` stands for where there are anchors.

        Args:
            outputs: of the frozen network.
            classes: how many are trained.
            images: new images in a step.
            task: what is learned.
            rank: of LoRA's adapters; 0: there are none.
        """
        logits = self.logits_for(classes, task, rank)
        return replace(
            self,
            per_step=self.per_step_for(images),
            weight=self.weight_for(outputs, logits),
            logits=logits,
            drift=self.drift_for(outputs, classes),
            mixup=self.blended_views(classes) / self.views,
        )

    def inverted_for(self, multiplications: int) -> int:
        """How many of the generated images are optimised, for a network whose forward pass takes so many
        multiplications.

        ``auto`` is all of them up to the size of ResNet-18, and of a larger network fewer. It depends on the
        network alone, and not on how fast a machine is or how busy, so the same command has the same images.
        """
        if isinstance(self.inverted, int):
            return min(self.inverted, self.generated)
        affordable = int(INVERSION // max(1, multiplications))
        return min(self.generated, max(FEWEST_INVERTED, affordable))

    def per_step_for(self, images: int) -> int:
        """Anchors in a step with so many new images.

        ``auto`` is half as many as new ones, rounded up: their frozen answers are kept, so such a step costs
        half as much again as one without anchors.
        """
        return -(-images // 2) if isinstance(self.per_step, str) else self.per_step

    def blended_share(self, classes: int) -> float:
        """The share of the views that should be blended with another anchor, for that many trained classes.

        ``auto`` is what was measured with many classes: with as many views they learn more and forget less
        (docs/forgetting.md).
        """
        return self.mixup if not isinstance(self.mixup, str) else 0.5 if classes >= MANY_CLASSES else 0.0

    def blended_views(self, classes: int) -> int:
        """How many of the views are blended."""
        return int(self.blended_share(classes) * self.views + 1e-9)  # 1 / 49 * 49 is less than 1

    def logits_for(self, classes: int, task: str, rank: int = 0) -> float:
        """The weight of how far the logits move, for that many trained classes and LoRA of that rank.

        ``auto`` is what was measured with many classes; with one it keeps no more. A higher rank, of all
        layers or of the last one, learns as much under a larger weight, and forgets less
        (docs/forgetting.md).
        """
        if not isinstance(self.logits, str):
            return self.logits
        if classes < MANY_CLASSES or task != "single_label":
            return 0.0
        return next(weight for least, weight in _LOGITS if rank >= least)

    def weight_for(self, outputs: int, logits: float = 0.0) -> float:
        """The distillation's weight for a network of that many outputs, beside that weight of the logits.

        ``auto`` grows with what there is to forget: 3.4 for ImageNet's 1,000, 1.0 for pocket's 20. Measured
        on both, larger weights learn less, smaller ones keep less. Where the logits are kept too it is 1
        (docs/forgetting.md).
        """
        if not isinstance(self.weight, str):
            return self.weight
        return 1.0 if logits else 0.1967 * math.log(outputs) ** 1.482

    def drift_for(self, outputs: int, classes: int) -> float:
        """The drift's weight for a network of that many outputs that learns that many classes.

        ``auto`` grows with what there is to forget and falls with what there is to learn. For one class it is
        220 with ImageNet's 1,000 outputs and 1.2 with pocket's 20; for 142 of the 1,000 it is 48. Measured on
        these three: docs/forgetting.md.
        """
        if not isinstance(self.drift, str):
            return self.drift
        return 0.00128 * math.log(outputs) ** 6.237 / max(1, classes) ** 0.306


@dataclass(frozen=True)
class ContrastConfig(Section):
    """Negative images: other things in the new style, which must not get a trained class."""

    anchors: str | Sequence[str] = option(
        "auto",
        "folders of negatives to train with; auto, below 16 classes: shipped drawings and generated images",
        words=("auto",), path=True,
    )  # fmt: skip
    generated: int = option(
        128, "images that the run generates for auto; 0: auto is none", at_least=0, at_most=100_000
    )
    root: str | None = option(
        None, "folder of negatives to measure the false-positive rate on; null: not measured", path=True
    )
    budget: float | None = option(
        0.05, "false-positive rate that is allowed when the adapter's strength is chosen; null: any",
        at_least=0, at_most=1,
    )  # fmt: skip

    def check(self) -> None:
        object.__setattr__(self, "anchors", _folders(self.anchors))


def _folders(anchors: str | Sequence[str]) -> str | Sequence[str]:
    """A single folder as a list of one."""
    return (anchors,) if isinstance(anchors, str) and anchors != "auto" else anchors
