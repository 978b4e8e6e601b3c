"""PyTorch's optimizers and the course of the learning rate, by the words of the configuration."""

from __future__ import annotations

import importlib
import inspect
import math
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from visionlora.adapters.restart import warmed_up
from visionlora.errors import VisionLoraError
from visionlora.optimizers.config import OptimizerConfig

CLASSES: Mapping[str, type[torch.optim.Optimizer]] = {
    "adamw": torch.optim.AdamW,
    "adam": torch.optim.Adam,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "adamax": torch.optim.Adamax,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
}
"""Each takes its parameters and a learning rate, and needs gradients alone."""

PAGED = "paged_adamw"
"""bitsandbytes' AdamW, on a GPU alone: the driver moves its averages to the CPU where the GPU is full (QLoRA,
Dettmers et al. 2023, section 3)."""

OWN = ("lr", "betas", "weight_decay", "params")
"""Arguments that have options of their own."""


def optimizer_class(name: str) -> Any:
    """The class of the optimizer of this name.

    Raises:
        ValueError: it is bitsandbytes', which is not installed.
    """
    if name != PAGED:
        return CLASSES[name]
    if find_spec("bitsandbytes") is None:
        raise ValueError(f"name is {PAGED}, which needs bitsandbytes; pip install 'visionlora[quantise]'")
    return importlib.import_module("bitsandbytes.optim").PagedAdamW


def require_optimizer(name: str, device: torch.device) -> None:
    """Check that an optimizer can run on a device.

    Raises:
        VisionLoraError: it cannot.
    """
    if name != PAGED:
        return
    if device.type != "cuda":
        raise VisionLoraError(
            f"optimizer.name={PAGED} needs a GPU of CUDA, whose memory it pages out, and this run is on the "
            f"{device.type.upper()}; use optimizer.name=adamw"
        )
    try:
        optimizer_class(name)
    except ValueError as error:
        raise VisionLoraError(f"optimizer.{error}") from error


def unknown_arguments(name: str, arguments: Mapping[str, Any]) -> list[str]:
    """Those of ``arguments`` that the optimizer does not take, or that have an option of their own."""
    taken = set(inspect.signature(optimizer_class(name)).parameters) - set(OWN)
    return [one for one in arguments if one not in taken]


def other_arguments(name: str) -> list[str]:
    """The arguments that an optimizer takes besides those with options of their own."""
    return [one for one in inspect.signature(optimizer_class(name)).parameters if one not in OWN]


def make_optimizer(
    name: str,
    parameters: Sequence[Tensor] | Sequence[dict[str, Any]],
    lr: float,
    weight_decay: float,
    betas: tuple[float, float],
    arguments: Mapping[str, Any],
) -> torch.optim.Optimizer:
    """An optimizer.

    Args:
        name: one of ``CLASSES``, or ``PAGED``.
        parameters: that it moves, or groups of them.
        lr: the learning rate at its peak.
        weight_decay: for optimizers that have one.
        betas: the same.
        arguments: everything else, by PyTorch's names.

    Raises:
        ValueError: PyTorch refuses an argument's value.
    """
    taken = inspect.signature(optimizer_class(name)).parameters
    shared: dict[str, Any] = {"lr": lr, "weight_decay": weight_decay, "betas": betas}
    shared = {key: value for key, value in shared.items() if key in taken}
    return optimizer_class(name)(parameters, **shared, **arguments)


def make_schedule(
    optimizer: torch.optim.Optimizer, options: OptimizerConfig, total: int, restart_every: int | None
) -> torch.optim.lr_scheduler.LambdaLR:
    """What sets the learning rate at each step: it rises linearly, then follows ``options.schedule``.

    Args:
        optimizer: whose groups have the learning rate at its peak.
        options: the share of the steps in which it rises, and the schedule.
        total: steps of the run.
        restart_every: steps after which the adapters restart (ReLoRA), and it rises again; None: never.
    """
    warmup = max(1, round(options.warmup * total))

    def share(step: int) -> float:
        every = restart_every if step >= warmup else None
        again = warmed_up(step, every, options.warmup) if every else 1.0
        return again * rate_share(options.schedule, step, warmup, total)

    return torch.optim.lr_scheduler.LambdaLR(optimizer, share)


def rate_share(schedule: str, step: int, warmup: int, total: int) -> float:
    """The learning rate at a step as a share of its peak: it rises linearly in ``warmup`` steps, then follows
    ``schedule`` (cosine and linear end at zero).

    Args:
        schedule: cosine, linear or constant.
        step: from 0 on.
        warmup: steps, at least 1.
        total: steps of the run.
    """
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if schedule == "constant":
        return 1.0
    progress = (step - warmup) / max(1, total - warmup)
    return 1 - progress if schedule == "linear" else 0.5 * (1 + math.cos(math.pi * progress))
