"""PyTorch's optimizers and the course of the learning rate, by the words of the configuration."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

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

OWN = ("lr", "betas", "weight_decay", "params")
"""Arguments that have options of their own."""


def unknown_arguments(name: str, arguments: Mapping[str, Any]) -> list[str]:
    """Those of ``arguments`` that the optimizer does not take, or that have an option of their own."""
    taken = set(inspect.signature(CLASSES[name]).parameters) - set(OWN)
    return [one for one in arguments if one not in taken]


def other_arguments(name: str) -> list[str]:
    """The arguments that an optimizer takes besides those with options of their own."""
    return [one for one in inspect.signature(CLASSES[name]).parameters if one not in OWN]


def make_optimizer(
    name: str,
    parameters: Sequence[Tensor],
    lr: float,
    weight_decay: float,
    betas: tuple[float, float],
    arguments: Mapping[str, Any],
) -> torch.optim.Optimizer:
    """An optimizer of ``torch.optim``.

    Args:
        name: one of ``CLASSES``.
        parameters: that it moves.
        lr: the learning rate at its peak.
        weight_decay: for optimizers that have one.
        betas: likewise.
        arguments: everything else, by PyTorch's names.

    Raises:
        ValueError: PyTorch refuses an argument's value.
    """
    taken = inspect.signature(CLASSES[name]).parameters
    shared: dict[str, Any] = {"lr": lr, "weight_decay": weight_decay, "betas": betas}
    shared = {key: value for key, value in shared.items() if key in taken}
    return CLASSES[name](parameters, **shared, **arguments)


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
