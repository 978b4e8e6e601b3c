"""What the configuration may say about a run, validated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from visionlora.kernels.candidates import WAYS

PRECISIONS = ("auto", "32-true", "bf16-mixed", "16-mixed")
KERNELS = ("auto", "rule", *WAYS)


def require(condition: bool, what: str, value: Any) -> None:
    """Raise ``ValueError`` with what was expected unless ``condition`` holds."""
    if not condition:
        raise ValueError(f"{what}, not {value!r}")


@dataclass(frozen=True)
class ModelOptions:
    """Which pretrained network, which weights, and what happens to its last layer."""

    name: str
    weights: str = "imagenet"
    head: str = "auto"
    dropout: bool = False

    def __post_init__(self) -> None:
        require(
            self.head in ("auto", "keep", "extend", "new"), "head is auto, keep, extend or new", self.head
        )


@dataclass(frozen=True)
class DataOptions:
    """Which images, and how many at a time."""

    name: str
    root: str
    class_name: str | None = None
    val_fraction: float = 0.25
    folds: int | None = None
    batch_size: int = 16
    anchors: Sequence[str] = ()
    contrast_anchors: str | Sequence[str] = "auto"
    contrast_root: str | None = None
    cache_mb: float = 1024
    workers: int = 0

    def __post_init__(self) -> None:
        require(0 < self.val_fraction < 1, "val_fraction lies between 0 and 1", self.val_fraction)
        require(self.folds is None or self.folds >= 2, "folds is at least 2, or null", self.folds)
        require(self.batch_size >= 1, "batch_size is at least 1", self.batch_size)
        require(self.cache_mb >= 0, "cache_mb is at least 0", self.cache_mb)
        require(self.workers >= 0, "workers is at least 0", self.workers)


@dataclass(frozen=True)
class ContrastOptions:
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


@dataclass(frozen=True)
class OptimizerOptions:
    """AdamW over the adapter (and new-head) parameters, warm-up and cosine."""

    lr: float | str = 2e-3
    weight_decay: float = 0.0
    betas: Sequence[float] = (0.9, 0.999)
    warmup: float = 0.1

    def __post_init__(self) -> None:
        valid = self.lr == "auto" or (not isinstance(self.lr, str) and self.lr > 0)
        require(valid, "lr is auto or above 0", self.lr)
        require(self.weight_decay >= 0, "weight_decay is at least 0", self.weight_decay)
        require(0 <= self.warmup < 1, "warmup is a share of the steps, 0 to 1", self.warmup)
        require(len(self.betas) == 2, "betas are two numbers", self.betas)


@dataclass(frozen=True)
class RetentionOptions:
    """How what the network knew is kept, and how it is measured."""

    anchors: str | Sequence[str] = "auto"
    generated: int = 256
    dream_seconds: float = 240.0
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
        require(self.dream_seconds >= 0, "dream_seconds is at least 0", self.dream_seconds)
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
class CacheOptions:
    """Whether what frozen layers compute is kept, and how much of it."""

    features: bool | str = "auto"
    views: int = 8
    uses: int = 8
    memory_mb: float = 2048

    def __post_init__(self) -> None:
        require(self.features in (True, False, "auto"), "features is auto, true or false", self.features)
        require(self.views >= 1, "views is at least 1", self.views)
        require(self.uses >= 1, "uses is at least 1", self.uses)
        require(self.memory_mb >= 0, "memory_mb is at least 0", self.memory_mb)


@dataclass(frozen=True)
class TrainerOptions:
    """How long, how exact, on what."""

    max_steps: int | str = "auto"
    validations: int = 8
    patience: int | None = 4
    precision: str = "auto"
    accelerator: str = "auto"
    gradient_clip_val: float | None = 1.0
    channels_last: bool = True
    fold_batch_norm: bool = True
    kernel: str = "auto"
    threads: int | None = None
    reuse_memory: bool = True
    progress: bool = True

    def __post_init__(self) -> None:
        steps = self.max_steps
        require(
            steps == "auto" or (isinstance(steps, int) and steps >= 1),
            "max_steps is auto or at least 1",
            steps,
        )
        require(self.validations >= 1, "validations is at least 1", self.validations)
        require(self.patience is None or self.patience >= 1, "patience is null or at least 1", self.patience)
        require(self.precision in PRECISIONS, f"precision is one of {', '.join(PRECISIONS)}", self.precision)
        require(self.kernel in KERNELS, f"kernel is one of {', '.join(KERNELS)}", self.kernel)

    def steps(self, images: int, batch_size: int) -> int:
        """Optimizer steps of the run: as configured, or 24 times through the images, but at least 480 and,
        unless that is less than 8 times through them, at most 800."""
        if isinstance(self.max_steps, int):
            return self.max_steps
        epoch = -(-images // batch_size)
        return max(480, min(24 * epoch, 800), 8 * epoch)
