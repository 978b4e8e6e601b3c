"""Options about the optimizer and its learning rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from visionlora.options import Section, option

ADAM = ("adam", "nadam", "radam", "paged_adam")
"""How the names of optimizers begin whose steps are as large as the learning rate."""


@dataclass(frozen=True)
class OptimizerConfig(Section):
    """One of PyTorch's over the adapter's and a new head's parameters, with warm-up."""

    name: str = option(
        "adamw", "one of torch.optim, or paged_adamw (bitsandbytes); all but Adam's family need optimizer.lr",
        words=("adamw", "adam", "nadam", "radam", "adamax", "sgd", "rmsprop", "adagrad", "adadelta",
               "paged_adamw"),
        also=("optim", "solver"),
    )  # fmt: skip
    lr: float | str | None = option(
        None, "null: 3e-3, with a new head 5e-4; auto: the best of five in trainings as long as the run",
        words=("auto",), above=0, at_most=1000, also=("learning_rate", "lr0"),
    )  # fmt: skip
    adapter_factor: float | None = option(
        None, "adapters train at lr times this; null: the family's factor, or 1 where lr is a number",
        above=0, at_most=1000,
    )  # fmt: skip
    b_factor: float = option(
        1.0, "B trains at this times the rate of A (LoRA+, where 16 is usual)", above=0, at_most=1000,
        also=("loraplus_lr_ratio",),
    )  # fmt: skip
    weight_decay: float = option(0.0, "AdamW's weight decay", at_least=0, at_most=1000, also=("wd",))
    betas: Sequence[float] = option(
        (0.9, 0.999),
        "AdamW's decay rates of the averages of gradient and square",
        at_least=0,
        below=1,
        length=2,
    )
    options: Mapping[str, int | float | bool] = field(
        default_factory=dict,
        metadata={"help": "the optimizer's other arguments by PyTorch's names, such as {momentum: 0.9}"},
    )
    schedule: str = option(
        "cosine", "the learning rate after warm-up: to zero as a cosine or a line, or constant",
        words=("cosine", "linear", "constant"), also=("scheduler", "lr_scheduler"),
    )  # fmt: skip
    class_weights: bool = option(
        False, "whether a class with few images weighs more in the loss (see also data.balance)"
    )
    label_smoothing: float | None = option(
        None, "share of a label's probability spread over all outputs; null: 0.1 if new head, one label",
        at_least=0, below=1,
    )  # fmt: skip
    warmup: float = option(
        0.1, "share of the steps in which the learning rate rises; then optimizer.schedule",
        at_least=0, below=1,
    )  # fmt: skip

    def check(self) -> None:
        if not self.name.startswith(ADAM) and not isinstance(self.lr, (int, float)):
            chosen = "null" if self.lr is None else self.lr
            raise ValueError(
                f"lr is {chosen}, which is AdamW's; with optimizer.name={self.name} set it to a number"
            )
        if not self.name.startswith(ADAM) and tuple(self.betas) != (0.9, 0.999):
            raise ValueError(f"betas is {list(self.betas)}, and {self.name} has none; leave it out")
        if not self.options:
            return
        # Only now: it imports torch.
        from visionlora.optimizers.make import other_arguments, unknown_arguments

        for one in unknown_arguments(self.name, self.options):
            known = ", ".join(other_arguments(self.name))
            raise ValueError(f"options has {one!r}; besides the other options {self.name} takes {known}")

    def for_head(self, new: bool, factor: float = 1.0, several: bool = False) -> OptimizerConfig:
        """With the learning rate and label smoothing of that kind of head, where none is configured, and the
        family's factor where no number is; ``several``: images have any number of labels."""
        lr = default_lr(new) if self.lr is None else self.lr
        if self.adapter_factor is not None:
            factor = self.adapter_factor
        elif self.lr not in (None, "auto"):
            factor = 1.0
        smoothing = self.label_smoothing
        if smoothing is None:
            # A new head on few images is soon sure of each of them, and as sure of what it gets wrong.
            # Of many labels each is rare: smoothed, its probability would never be near 0.
            smoothing = 0.1 if new and not several else 0.0
        return replace(self, lr=lr, adapter_factor=factor, label_smoothing=smoothing)


def default_lr(new_head: bool) -> float:
    """AdamW's learning rate where none is configured.

    A new head starts as a good classifier of the frozen features: large steps lead away from it. Adapters
    alone bear a higher rate, and then need fewer steps.
    """
    return 5e-4 if new_head else 3e-3
