"""Options of ``visionlora meta``."""

from __future__ import annotations

from dataclasses import dataclass

from visionlora.adapters.config import LoraConfig
from visionlora.data.config import DataConfig
from visionlora.models.config import ModelConfig
from visionlora.options import Section, option, section
from visionlora.retention.config import RetentionConfig


@dataclass(frozen=True)
class MetaConfig(Section):
    """How the start follows from the classes of a folder."""

    method: str = option(
        "aligned",
        "aligned: where images' gradients agree; maml or reptile: moved on from there, task by task",
        words=("aligned", "maml", "reptile"),
    )
    tasks: int | None = option(
        None, "that maml or reptile learns from; null: 80", at_least=1, at_most=1_000_000
    )
    classes: int = option(15, "classes in a task", at_least=2, at_most=100_000)
    shots: int = option(1, "images of each class that a task's steps see", at_least=1, at_most=10_000)
    steps: int = option(5, "optimizer steps in a task", at_least=1, at_most=100_000)
    lr: float = option(3e-3, "AdamW's learning rate in a task", above=0, at_most=1000)
    outer_lr: float | None = option(
        None, "AdamW's rate for the start, null: 3e-3; for reptile the share of the way, null: 0.3",
        above=0, at_most=1000,
    )  # fmt: skip
    held_out: int = option(0, "classes that are never seen, chosen by the seed", at_least=0, at_most=100_000)

    def check(self) -> None:
        """Tasks are learned from by two of the methods."""
        for name in ("tasks", "outer_lr"):
            if self.method == "aligned" and getattr(self, name) is not None:
                raise ValueError(
                    f"{name} is for method=maml or reptile, and aligned has no tasks; leave it out"
                )

    @property
    def count(self) -> int:
        """``tasks``, or as many as the method has without it."""
        if self.method == "aligned":
            return 0
        return 80 if self.tasks is None else self.tasks

    @property
    def outer_rate(self) -> float:
        """``outer_lr``, or the method's own."""
        if self.outer_lr is not None:
            return self.outer_lr
        return 3e-3 if self.method == "maml" else 0.3


@dataclass(frozen=True, kw_only=True)
class MetaOptions(Section):
    """Options of ``visionlora meta``."""

    seed: int = option(0, "seed of the tasks and of the first start", at_least=0, at_most=2**32 - 1)
    start: str = option("outputs/start", "the folder of the learned start; a run in it continues", path=True)
    meta: MetaConfig = section()
    data: DataConfig = section("folder", only=("root",))
    model: ModelConfig = section(only=("name", "weights"))
    lora: LoraConfig = section(targets="auto")
    retention: RetentionConfig = section(only=("anchors", "weight", "temperature"))
