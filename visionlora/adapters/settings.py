"""The settings of one weight's adapter. Needs no torch, so that `--help` is quick."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

AUTO = "auto"
"""Targets, a start, a rank or an alpha that a training run chooses."""
Option = int | float | bool | str


@dataclass(frozen=True)
class AdapterSettings:
    """The settings of one layer's adapter.

    Attributes:
        family: a name in `families.FAMILIES`.
        rank: r.
        alpha: the update is multiplied with alpha / rank, or alpha / sqrt(rank) with `rslora`.
        rslora: see alpha.
        dropout: probability that an element of the adapter's input is dropped in training.
        init_std: standard deviation of Gaussian starts; None: 1 / sqrt(fan-in).
        init: a name in `init.INITS`; "default" is the family's own start.
        options: settings that one family alone has; those that are missing have the family's defaults.
    """

    family: str = "lora"
    rank: int = 8
    alpha: float = 8.0
    rslora: bool = False
    dropout: float = 0.0
    init_std: float | None = None
    init: str = "default"
    options: Mapping[str, Option] = field(default_factory=dict)


def scaling_of(settings: AdapterSettings, strength: float = 1.0) -> float:
    """strength * alpha / rank, or strength * alpha / sqrt(rank) with `rslora` (Kalajdzievski 2023)."""
    alpha = settings.alpha * strength
    return alpha / settings.rank**0.5 if settings.rslora else alpha / settings.rank


def divided_by_rank(settings: AdapterSettings) -> AdapterSettings:
    """The same scaling as alpha / rank, for file formats that know no rsLoRA."""
    return replace(settings, alpha=scaling_of(settings) * settings.rank, rslora=False)
