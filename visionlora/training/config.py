"""The whole configuration of a run, and the sections that belong to training alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, is_dataclass
from typing import Any, get_type_hints

from omegaconf import DictConfig

from visionlora.adapters import LoraConfig
from visionlora.data import AugmentConfig
from visionlora.data.config import DataConfig
from visionlora.errors import VisionLoraError
from visionlora.kernels.candidates import NAMES
from visionlora.models.config import ModelConfig
from visionlora.retention.config import ContrastConfig, RetentionConfig
from visionlora.settings import build, plain, require

PRECISIONS = ("auto", "32-true", "bf16-mixed", "16-mixed")
KERNELS = ("auto", "rule", *NAMES)


@dataclass(frozen=True)
class OptimizerConfig:
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
class CacheConfig:
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
class TrainerConfig:
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


@dataclass(frozen=True)
class RunConfig:
    """The whole configuration of a run, validated; built once by :func:`read_config`."""

    seed: int
    resume: str | None
    data: DataConfig
    augment: AugmentConfig
    model: ModelConfig
    lora: LoraConfig
    retention: RetentionConfig
    contrast: ContrastConfig
    optimizer: OptimizerConfig
    cache: CacheConfig
    trainer: TrainerConfig


def read_config(config: DictConfig) -> RunConfig:
    """Build and validate every section of a composed configuration.

    Raises:
        VisionLoraError: a key that does not exist, or a value that is refused.
    """
    values = plain(config)
    hints: dict[str, Any] = get_type_hints(RunConfig)
    for key in values:
        if key not in hints:
            raise VisionLoraError(f"there is no configuration key {key!r}; there are {', '.join(hints)}")
    if not isinstance(values["seed"], int):
        raise VisionLoraError(f"seed is {values['seed']!r}; give a whole number")
    sections: dict[str, Any] = {
        name: build(hint, values[name], name) if is_dataclass(hint) else values[name]
        for name, hint in hints.items()
    }
    return RunConfig(**sections)
