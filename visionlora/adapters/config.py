"""What to adapt and how strongly: a frozen, validated description of the adapters of one network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any, Literal

from visionlora.adapters.errors import LoraError
from visionlora.adapters.learned_start import check_learned
from visionlora.adapters.patterns import by_pattern, check_patterns
from visionlora.adapters.restart_check import check_restarts
from visionlora.adapters.settings import AUTO, AdapterSettings, Option
from visionlora.adapters.unknown_arguments import refuses_unknown_arguments
from visionlora.text import brief

MOST_RANK = 4096
"""A file that claims more would have its tensors allocated before anything is compared."""


def _option(default: Any, help: str, **rule: Any) -> Any:
    """A field with what `--help` says about it and the range that the command line allows."""
    return field(default=default, metadata={"help": help, **rule})


@refuses_unknown_arguments
@dataclass(frozen=True)
class LoraConfig:
    """The adapters of one network (Hu et al. 2021, https://arxiv.org/abs/2106.09685).

    Args:
        family: a name in `visionlora.adapters.families.FAMILIES`, or several: each becomes an adapter of its
            own, and their updates add up.
        rank: r, the rank of the update; `auto` leaves the choice to a run.
        alpha: the update is multiplied by alpha / rank, or alpha / sqrt(rank) with `rslora`; `auto` leaves
            the choice to a run.
        dropout: probability that an element of the adapter's input is dropped in training.
        init_std: standard deviation of A's Gaussian; None means 1/sqrt(fan_in of A), per layer.
        targets: what to adapt: `all`, `conv`, `linear`, `classifier`, `last:N`, a regular expression, or a
            list of those. A regular expression has to match a layer's whole name, or its end after a dot,
            as in PEFT's patterns.
        exclude: what not to adapt, in the same words.
        rank_pattern: rank by layer-name pattern; the first pattern that matches wins.
        alpha_pattern: alpha by layer-name pattern.
        rslora: scale by alpha / sqrt(rank) (Kalajdzievski 2023, https://arxiv.org/abs/2312.03732).
        init: how A and B start, a folder that `visionlora meta` wrote, or a name in `adapters.init`
            (`INITS`, `FROM_DATA`); `default` is the family's own, `auto` leaves the choice to a run.
        options: settings of one family alone, such as `factor` of LoKr (`FAMILIES[family].defaults`).
        family_pattern: family by layer-name pattern, in place of `family` there.
        restart_every: steps after which A and B are added up and start again (ReLoRA); None: never.
        restart_rank: the rank that the sum is cut to; None: it is kept whole.
        bias: `lora_only` also trains the biases of the adapted layers, `all` those of every layer that can be
            adapted, with the family `bias`.
        train_norms: whether the weights and biases of all normalization layers are trained, with the family
            `norm`. Batch norms that are trained are not folded into convolutions, so a step takes longer.

    Raises:
        LoraError: a value is out of its range or a pattern is not a regular expression.
    """

    family: str | Sequence[str] = _option(
        "lora", "the adapter family: lora, dora, loha, ... (docs/families.md has all), or a list of families"
    )
    rank: int | Literal["auto"] = _option(
        8, "rank of an update; train's auto: 8; with 16 known classes and more the last layer's is up to 64",
        words=(AUTO,), at_least=1, at_most=MOST_RANK, also=("r", "lora_r"),
    )  # fmt: skip
    alpha: float | Literal["auto"] = _option(
        8.0, "the update is multiplied by alpha / rank; train's auto: the rank", words=(AUTO,),
        above=0, at_most=1e6, also=("lora_alpha",),
    )  # fmt: skip
    dropout: float = _option(
        0.0, "probability that an element of the adapter's input is dropped", at_least=0, below=1,
        also=("lora_dropout",),
    )  # fmt: skip
    init_std: float | None = _option(
        None, "standard deviation of A's Gaussian; null: 1/sqrt(fan-in)", above=0, at_most=1e6
    )
    targets: str | Sequence[str] = _option(
        "all", "auto (upper layers), all, conv, linear, classifier, last:N, a regular expression, or a list",
        also=("target_modules",),
    )  # fmt: skip
    exclude: str | Sequence[str] = _option(
        (), "what not to adapt, in the same words", also=("exclude_modules",)
    )
    rank_pattern: Mapping[str, int] = field(
        default_factory=dict,
        metadata={"help": "rank by layer-name pattern", "at_least": 1, "at_most": MOST_RANK},
    )
    alpha_pattern: Mapping[str, float] = field(
        default_factory=dict, metadata={"help": "alpha by layer-name pattern", "above": 0, "at_most": 1e6}
    )
    rslora: bool = _option(False, "scale by alpha / sqrt(rank)", also=("use_rslora",))
    init: str = _option(
        "default",
        "auto, default, gaussian, orthogonal, pissa, loftq, eva, lora_ga, corda, lora_null or contrastive",
        path=True, free="a start's name, or the folder of a learned start", sweeps=True,
        also=("init_lora_weights",),
    )  # fmt: skip
    options: Mapping[str, Option] = field(
        default_factory=dict, metadata={"help": "settings that only this family has, {name: value}"}
    )
    family_pattern: Mapping[str, str] = field(
        default_factory=dict, metadata={"help": "family by layer-name pattern, in place of family there"}
    )
    bias: str = _option(
        "none", "which biases are trained too: those of adapted layers, of all layers, or none",
        words=("none", "lora_only", "all"),
    )  # fmt: skip
    restart_every: int | None = _option(
        None, "steps after which A and B are added up and start again (ReLoRA); null: never",
        at_least=1, at_most=1_000_000_000,
    )  # fmt: skip
    restart_rank: int | None = _option(
        None, "rank that the sum of all restarts is cut to; null: it is kept whole",
        at_least=1, at_most=MOST_RANK,
    )  # fmt: skip
    train_norms: bool = _option(
        False, "train the weights and biases of normalization layers too; their statistics stay frozen",
        also=("train_norm",),
    )  # fmt: skip

    def __post_init__(self) -> None:
        families = (self.family,) if isinstance(self.family, str) else self.family
        if not isinstance(families, Sequence) or not families:
            raise LoraError(f"family is {brief(self.family)}: give a family, or a list of different ones.")
        for family in families:
            _check_family("family", family)
        if len(set(families)) < len(families):
            raise LoraError(f"family is {brief(self.family)}: give a family, or a list of different ones.")
        object.__setattr__(self, "family", families[0] if len(families) == 1 else tuple(families))
        if self.rank != AUTO:
            _check_rank("rank", self.rank)
        if self.alpha != AUTO:
            _check_alpha("alpha", self.alpha)
        if not _is_number(self.dropout) or not 0 <= self.dropout < 1:
            raise LoraError(
                f"dropout is {brief(self.dropout)}: give a probability of at least 0 and below 1."
            )
        if self.init_std is not None and not (_is_number(self.init_std) and self.init_std > 0):
            raise LoraError(
                f"init_std is {brief(self.init_std)}: give a positive number, or none for 1/sqrt(fan-in)."
            )
        if not isinstance(self.rslora, bool):
            raise LoraError(f"rslora is {brief(self.rslora)}: give true or false.")
        if not isinstance(self.train_norms, bool):
            raise LoraError(f"train_norms is {brief(self.train_norms)}: give true or false.")
        if self.bias not in ("none", "lora_only", "all"):
            raise LoraError(f"bias is {brief(self.bias)}: give none, lora_only or all.")
        if not isinstance(self.options, Mapping):
            raise LoraError(
                f"options is {brief(self.options)}: give a mapping from the name of an option to its value."
            )
        object.__setattr__(self, "options", MappingProxyType(dict(self.options)))
        object.__setattr__(self, "targets", selectors("targets", self.targets))
        object.__setattr__(self, "exclude", selectors("exclude", self.exclude))
        if not self.targets:
            raise LoraError("targets is empty: name what to adapt, for example all, conv or classifier.")
        checks = {"rank_pattern": _check_rank, "alpha_pattern": _check_alpha, "family_pattern": _check_family}
        for name, check in checks.items():
            patterns = getattr(self, name)
            if not isinstance(patterns, Mapping):
                raise LoraError(
                    f"{name} is {brief(patterns)}: give a mapping from layer-name pattern to its value."
                )
            check_patterns(name, patterns)
            for pattern, value in patterns.items():
                check(f"{name}[{brief(pattern)}]", value)
            object.__setattr__(self, name, MappingProxyType(dict(patterns)))
        _check_dropout(self.dropout, self.families)
        _check_init(self.init, self.families)
        _check_options(self.options, self.families)
        check_restarts(
            self.families, self.dropout, self.bias, self.init, self.restart_every, self.restart_rank
        )

    @property
    def families(self) -> tuple[str, ...]:
        """All that the configuration names, those of `family` first."""
        named = (self.family,) if isinstance(self.family, str) else tuple(self.family)
        return tuple(dict.fromkeys([*named, *self.family_pattern.values()]))

    def __reduce__(self) -> tuple:
        values = (getattr(self, one.name) for one in fields(self))  # a mapping proxy can't be pickled
        return LoraConfig, tuple(dict(one) if isinstance(one, Mapping) else one for one in values)

    def families_of(self, site: str) -> tuple[str, ...]:
        """The families that adapt the weight of this full name."""
        named = (self.family,) if isinstance(self.family, str) else tuple(self.family)
        own = by_pattern(self.family_pattern, site, "")
        return (own,) if own else named

    def settings_of(self, site: str, family: str | None = None) -> AdapterSettings:
        """The settings of the adapter of the weight of this full name.

        Args:
            site: the name.
            family: one of `families`; None: the first. It gets what it has a use for.

        Raises:
            LoraError: its rank or alpha is `auto`.
        """
        from visionlora.adapters.families import FAMILIES

        kind = FAMILIES[family or self.families[0]]
        return AdapterSettings(
            family=kind.family,
            rank=int(_number("rank", by_pattern(self.rank_pattern, site, self.rank))),
            alpha=float(_number("alpha", by_pattern(self.alpha_pattern, site, self.alpha))),
            rslora=self.rslora,
            dropout=self.dropout if kind.uses_dropout else 0.0,
            init_std=self.init_std,
            init=self.init if _starts_A_and_B(kind.family) else "default",
            options={name: value for name, value in self.options.items() if name in kind.defaults},
        )


def selectors(key: str, given: str | Sequence[str]) -> tuple[str, ...]:
    """`given` as a tuple of checked selectors; a LoraError names `key` where it is something else."""
    chosen = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, Sequence) else None
    if chosen is None:
        raise LoraError(f"{key} is {brief(given)}: give a string or a list of strings.")
    check_patterns(key, chosen)
    return chosen


def _check_family(key: str, family: object) -> None:
    from visionlora.adapters.families import FAMILIES

    if not isinstance(family, str) or family not in FAMILIES:
        raise LoraError(f"{key} is {brief(family)}: give one of {', '.join(FAMILIES)}.")


def _check_dropout(dropout: float, families: Sequence[str]) -> None:
    from visionlora.adapters.families import FAMILIES

    if dropout and not any(FAMILIES[family].uses_dropout for family in families):
        able = ", ".join(name for name, one in FAMILIES.items() if one.uses_dropout)
        named = ", ".join(families)
        raise LoraError(f"dropout is {dropout:g}, which {named} does not use: give 0, or one of {able}.")


def _starts_A_and_B(family: str) -> bool:
    from visionlora.adapters.families import FAMILIES
    from visionlora.adapters.families.lora import Lora

    return issubclass(FAMILIES[family], Lora)


def _check_init(init: object, families: Sequence[str]) -> None:
    from visionlora.adapters.families import FAMILIES
    from visionlora.adapters.init import FROM_DATA, INITS

    if init in ("default", AUTO) or check_learned(init, families):
        return
    if init not in (*INITS, *FROM_DATA):
        names = ", ".join((*INITS, *FROM_DATA))
        raise LoraError(f"init is {brief(init)}: give auto, default, {names}, or a folder that meta wrote.")
    if not any(map(_starts_A_and_B, families)):
        able = ", ".join(filter(_starts_A_and_B, FAMILIES))
        named = ", ".join(families)
        raise LoraError(f"init={init} starts A and B, which {named} lacks: use init=default, or {able}.")


def _check_options(options: Mapping[str, Option], families: Sequence[str]) -> None:
    """Each family checks the options that it has; one that none has is an error of the first."""
    from visionlora.adapters.families import FAMILIES

    try:
        known = {name for family in families for name in FAMILIES[family].defaults}
        FAMILIES[families[0]].check_options({name: options[name] for name in options if name not in known})
        for family in families:
            having = {name: options[name] for name in options if name in FAMILIES[family].defaults}
            FAMILIES[family].check_options(having)
    except ValueError as error:
        raise LoraError(f"options: {error}") from error


def _number(key: str, value: float | str) -> float | str:
    if value == AUTO:
        raise LoraError(f"{key} is {AUTO}, which a training run chooses; give a number here.")
    return value


def _check_rank(key: str, value: object) -> None:
    if not isinstance(value, Integral) or isinstance(value, bool) or not 1 <= int(value) <= MOST_RANK:
        raise LoraError(f"{key} is {brief(value)}: give a whole number from 1 to {MOST_RANK}.")


def _check_alpha(key: str, value: object) -> None:
    if not _is_number(value) or value <= 0:  # type: ignore[operator]
        raise LoraError(f"{key} is {brief(value)}: give a positive number.")


def _is_number(value: object) -> bool:
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond the largest float
        return False
