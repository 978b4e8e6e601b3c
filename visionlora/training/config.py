"""The whole configuration of a run, the sections that belong to training, and the options of ``explain``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from omegaconf import DictConfig

from visionlora.adapters.config import LoraConfig
from visionlora.data.config import AugmentConfig, DataConfig, task_option
from visionlora.models.config import ModelConfig
from visionlora.optimizers.config import OptimizerConfig
from visionlora.options import Section, option, section
from visionlora.retention.config import ContrastConfig, RetentionConfig
from visionlora.settings import build, plain

WITH_B = ("lora", "dora", "dylora", "adalora")
"""Families whose update is a product of A and B."""


@dataclass(frozen=True)
class CacheConfig(Section):
    """Whether the output of the frozen layers below the first adapted one is kept for the run."""

    features: bool | str = option("auto", "auto: where these layers take much of a step", words=("auto",))
    views: int = option(
        4,
        "augmented views of each training image; one where nothing is augmented",
        at_least=1,
        at_most=10_000,
    )
    uses: int = option(8, "how often a view is used before it is drawn again", at_least=1, at_most=1_000_000)
    memory_mb: float = option(
        2048, "megabytes to keep in memory; the rest goes to a temporary file in the run's folder",
        at_least=0, at_most=1e9,
    )  # fmt: skip


@dataclass(frozen=True)
class TrainerConfig(Section):
    """How long, in which precision, on which device."""

    max_steps: int | str = option(
        "auto", "optimizer steps; auto: 16 times through the images, at least 320; new head: 6, at least 80",
        words=("auto",), at_least=1, at_most=1_000_000_000, also=("epochs", "max_epochs", "steps"),
    )  # fmt: skip
    validations: int = option(
        8, "how often the run validates, every N steps (so a short run may validate more or less often)",
        at_least=1, at_most=1_000_000,
    )  # fmt: skip
    patience: int | str | None = option(
        "auto", "validations without progress before an early stop; auto: 4, new head: never; null: never",
        words=("auto",), at_least=1, at_most=1_000_000,
    )  # fmt: skip
    precision: str = option(
        "auto", "auto: bf16-mixed where it is measured to be faster",
        words=("auto", "32-true", "bf16-mixed", "16-mixed"),
    )  # fmt: skip
    accelerator: str = option(
        "auto", "auto: the accelerator that PyTorch sees, else the CPU; gpu: that accelerator, of any kind",
        words=("auto", "cpu", "gpu", "cuda", "mps", "xpu"), also=("device",),
    )  # fmt: skip
    devices: int = option(
        1, "processes that train together on this machine, each on a device of its own",
        at_least=1, at_most=1024, also=("gpus", "num_gpus", "num_processes"),
    )  # fmt: skip
    strategy: str = option(
        "auto", "auto: ddp where there are several processes; ddp: with one too", words=("auto", "ddp")
    )
    accumulate: int = option(
        1, "parts that a step's batch is computed in, one by one: same result, less memory, more time",
        at_least=1, at_most=65536, also=("accumulate_grad_batches", "gradient_accumulation_steps"),
    )  # fmt: skip
    gradient_clip_val: float | None = option(
        1.0, "largest norm of the gradient; null: not clipped", above=0, at_most=1e9
    )
    channels_last: bool = option(True, "whether images are stored channels last in memory")
    fold_batch_norm: bool = option(
        True, "whether frozen batch norms are folded into convolutions in training"
    )
    kernel: str = option(
        "auto", "on the CPU; auto: each layer's fastest implementation, timed; rule: by shape; see explain",
        words=("auto", "rule"), path=True, free="an implementation's name, or the path of a kernels.json",
        sweeps=True,
    )  # fmt: skip
    threads: int | None = option(None, "CPU threads; null: PyTorch's default", at_least=1, at_most=1024)
    reuse_memory: bool = option(
        True, "whether freed CPU memory is kept for the next step (glibc); false: less memory, slower"
    )
    progress: bool = option(True, "whether a progress bar is shown")
    checkpoint_steps: int | None = option(
        100, "steps from one checkpoint to the next; each validation makes one too; null: any number",
        at_least=1, at_most=1_000_000_000,
    )  # fmt: skip
    checkpoint_minutes: float | None = option(
        5, "minutes from one checkpoint to the next; null: any", at_least=0, at_most=1e6
    )

    def check(self) -> None:
        if self.kernel in ("auto", "rule"):
            return
        path = Path(self.kernel)
        if path.suffix.lower() == ".json" or len(path.parts) > 1:
            if not path.is_file():
                raise ValueError(f"kernel is {self.kernel!r}; there is no such file")
            return
        # Only for a name: the kernels import torch, and a value is refused before that where it can be.
        from visionlora.kernels.candidates import NAMES

        if self.kernel not in NAMES:
            raise ValueError(
                f"kernel is {self.kernel!r}; it takes auto, rule, the path of a kernels.json, or one of "
                f"{', '.join(NAMES)}"
            )

    def for_head(self, new: bool) -> TrainerConfig:
        """With the patience of that kind of head, where none is configured."""
        if self.patience != "auto":
            return self
        # At the largest learning rate the network is behind its good start; it catches up as the rate falls.
        return replace(self, patience=None if new else 4)

    @property
    def stops_after(self) -> int | None:
        """Validations without progress after which a run stops; None: it does not."""
        return self.patience if isinstance(self.patience, int) else None

    def interval(self, steps: int) -> int:
        """Optimizer steps from one validation to the next, in a run of ``steps``."""
        return max(1, steps // self.validations)

    def steps(self, images: int, batch_size: int, new_head: bool = False) -> int:
        """Optimizer steps of the run, as configured or by the number of images.

        It is 16 times through them, but at least 320 and, unless that is less than 8 times through them, at
        most 540. A new head starts as a good classifier already: 6 times through them, at least 80.
        """
        if isinstance(self.max_steps, int):
            return self.max_steps
        epoch = -(-images // batch_size)
        if new_head:
            return max(80, 6 * epoch)
        return max(320, min(16 * epoch, 540), 8 * epoch)


@dataclass(frozen=True)
class ResumeConfig(Section):
    """Continue a run that was interrupted, in its own folder: ``resume=RUN``."""

    run: str | None = option(None, "the folder of a run: continue where it stopped", path=True)
    force: bool = option(False, "whether it may continue with images, options or versions that differ")

    def check(self) -> None:
        if self.force and self.run is None:
            raise ValueError("force is true, but there is no run to resume; set resume=RUN")


@dataclass(frozen=True, kw_only=True)
class RunConfig(Section):
    """The whole configuration of a run, validated; built once by :func:`read_config`."""

    seed: int = option(0, "seed of everything random", at_least=0, at_most=2**32 - 1)
    task: str = task_option()
    adapter: str | None = option(
        None, "a run folder or an adapter directory: learn further classes, and keep those that it has",
        path=True,
    )  # fmt: skip
    logger: str = option(
        "tensorboard", "where curves and hyperparameters go", words=("tensorboard", "csv", "wandb", "mlflow")
    )
    resume: ResumeConfig = section()
    data: DataConfig = section("folder")
    augment: AugmentConfig = section()
    model: ModelConfig = section()
    lora: LoraConfig = section(rank="auto", alpha="auto", targets="auto", init="auto")
    retention: RetentionConfig = section()
    contrast: ContrastConfig = section()
    optimizer: OptimizerConfig = section("adamw")
    cache: CacheConfig = section()
    trainer: TrainerConfig = section()

    @property
    def separator(self) -> str | None:
        """What separates the labels of an image; None: it has one."""
        return self.data.separator if self.task == "multi_label" else None

    def check(self) -> None:
        check_task(self)
        if self.augment.mixes and self.cache.features is True:
            raise ValueError(
                "cache.features is true: it keeps features of single images, and augment.mixup and "
                "augment.cutmix mix images; give one of them"
            )
        if self.augment.mixes and self.optimizer.class_weights and self.separator is None:
            raise ValueError(
                "optimizer.class_weights is true: an image that augment.mixup or augment.cutmix mixed has no "
                "class to weigh; use data.balance=true"
            )
        if self.optimizer.b_factor != 1 and not set(self.lora.families) & set(WITH_B):
            raise ValueError(
                f"optimizer.b_factor is {self.optimizer.b_factor:g}, and lora.family={self.lora.families[0]} "
                f"has no A and B; it is for {', '.join(WITH_B)}"
            )
        size, devices = self.data.batch_size, self.trainer.devices
        if self.model.quantise is not None and devices > 1:
            raise ValueError(f"trainer.devices is {devices}: a quantised base is trained by one process")
        if size % devices:
            raise ValueError(
                f"trainer.devices is {devices}: they cannot share data.batch_size={size} evenly; set "
                f"data.batch_size={max(1, round(size / devices)) * devices}"
            )


def check_task(config: RunConfig) -> None:
    """Refuse options that the task has no use for.

    Raises:
        ValueError: names the option, and why.
    """
    data, model = config.data, config.model
    if config.task == "single_label":
        if data.separator != "auto":
            raise ValueError(
                f"data.separator is {data.separator}: it is for images with several labels; set "
                "task=multi_label"
            )
        return
    refused = (
        (config.adapter is not None, "adapter", "no labels can be added to an adapter; train from scratch"),
        (data.class_name is not None, "data.class_name", "a table says what labels an image has"),
        (data.class_from != "folders", "data.class_from", "a table says what labels an image has"),
        (
            data.balance,
            "data.balance",
            "an image counts for several labels; use optimizer.class_weights=true",
        ),
        (data.folds is not None, "data.folds", "cross-validation is for one label an image"),
        (model.head not in ("auto", "new"), "model.head", "labels have a head of their own, a new one"),
        (
            config.contrast.root is not None,
            "contrast.root",
            "false positives are counted for each label; add images of other things to the table, without a "
            "label",
        ),
        (config.lora.init == "lora_ga", "lora.init=lora_ga", "it needs the loss of one label an image"),
    )
    for given, name, why in refused:
        if given:
            raise ValueError(f"{name} is not for task=multi_label: {why}")


@dataclass(frozen=True)
class StepConfig(Section):
    """What a step of ``visionlora explain`` computes."""

    batch_size: int = option(8, "images in a step, a run's anchors included", at_least=1, at_most=65536)


@dataclass(frozen=True, kw_only=True)
class ExplainConfig(Section):
    """Options of ``visionlora explain``."""

    output: str | None = option(None, "a file for everything that is shown", path=True, suffixes=(".json",))
    model: ModelConfig = section(only=("name", "weights"), name="pocket", weights="none")
    lora: LoraConfig = section()
    data: StepConfig = section()
    trainer: TrainerConfig = section(
        only=("precision", "accelerator", "channels_last", "fold_batch_norm", "kernel", "threads")
    )


def read_config(config: DictConfig) -> RunConfig:
    """Build and validate every section of a composed configuration.

    Raises:
        VisionLoraError: a key that does not exist, or a value that is refused.
    """
    return build(RunConfig, plain(config))
