"""From the options of a command to Hydra's configuration, and from that to validated dataclasses."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError, OmegaConfBaseException

from visionlora.errors import VisionLoraError
from visionlora.options import Rule, checked, rule_of, type_of
from visionlora.paths import shipped
from visionlora.value_text import shown

T = TypeVar("T")

TOP = "top_level"
"""Name, in Hydra's config store, of the options that are in no group."""


@dataclass(frozen=True)
class Key:
    """An option as the command line knows it: ``lora.rank``, its type, rule and default (``???``: none)."""

    name: str
    hint: Any
    rule: Rule
    default: Any


@dataclass(frozen=True)
class Group:
    """A section of a command's options: ``lora``, its dataclass, and the preset that holds its defaults."""

    name: str
    cls: type
    preset: str
    keys: tuple[Key, ...]


def groups_of(cls: type) -> Iterator[Group]:
    """The sections of a command's options."""
    for one in dataclasses.fields(cls):
        if "preset" in one.metadata:
            section, only = type_of(cls, one), one.metadata["only"]
            keys = tuple(
                key
                for key in _keys(section, f"{one.name}.", one.metadata["defaults"])
                if not only or key.name.removeprefix(f"{one.name}.") in only
            )
            yield Group(one.name, section, one.metadata["preset"], keys)


def is_preset_of(group: Group, file: Path) -> bool:
    """Whether a file of ``conf`` is for this command's group: what it builds on is the group's own preset."""
    based_on = re.findall(r"^  - (?!_self_)(\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    return all(name == group.preset for name in based_on)


def top_level(cls: type) -> tuple[Key, ...]:
    """The options of a command that are in no group."""
    return tuple(_keys(cls, "", {}))


def keys_of(cls: type) -> dict[str, Key]:
    """Every option that a command takes, by its full name."""
    keys = [*top_level(cls), *(key for group in groups_of(cls) for key in group.keys)]
    return {key.name: key for key in keys}


def _keys(cls: type, prefix: str, defaults: Mapping[str, Any]) -> Iterator[Key]:
    for one in dataclasses.fields(cls):
        if "preset" in one.metadata:
            continue
        default = one.default if one.default_factory is dataclasses.MISSING else one.default_factory()
        default = MISSING if default is dataclasses.MISSING else default
        default = defaults.get(one.name, default)
        yield Key(prefix + one.name, type_of(cls, one), rule_of(one), default)


def register(cls: type) -> None:
    """Make the defaults of a command's options known to Hydra.

    They are stored as plain values: OmegaConf has no types for a text or a list, takes ``yes`` for true and
    ``"4"`` for 4, and its errors do not say what is allowed. :func:`build` checks instead.
    """
    from hydra.core.config_store import ConfigStore

    store = ConfigStore.instance()
    store.store(TOP, {key.name: _plain(key.default) for key in top_level(cls)}, package="_global_")
    for group in groups_of(cls):
        node = {key.name.removeprefix(f"{group.name}."): _plain(key.default) for key in group.keys}
        store.store(group.preset, node, group=group.name)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value


def plain(section: DictConfig) -> dict[str, Any]:
    """The resolved section as plain Python containers.

    Raises:
        VisionLoraError: a value that is still ``???``, or that refers to one that does not exist.
    """
    try:
        values = OmegaConf.to_container(section, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        key = str(getattr(error, "full_key", None) or "a value")
        if isinstance(error, InterpolationResolutionError):
            reason = str(error.msg or error).splitlines()[0]
            raise VisionLoraError(
                f"{key} refers to a value that does not exist ({reason}); set {key}=..."
            ) from error
        raise VisionLoraError(no_value(key)) from error
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def build(cls: type[T], values: Mapping[str, Any], name: str = "") -> T:
    """Build a command's options, or the section ``name`` of them.

    Args:
        cls: the dataclass.
        values: plain Python values, sections as mappings.
        name: the section's name, for errors; empty for all of a command's options.

    Raises:
        VisionLoraError: a key that ``cls`` does not have, or a value that it refuses.
    """
    prefix = f"{name}." if name else ""
    known = {one.name: one for one in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in values:
        if key not in known and (name or key not in groups_of_training()):
            raise VisionLoraError(no_such_key(prefix + key, [prefix + one for one in known]))
    built: dict[str, Any] = {}
    for key, one in known.items():
        if "preset" in one.metadata:
            section = values.get(key, {})
            if not isinstance(section, Mapping):
                raise VisionLoraError(
                    f"{prefix}{key} is {shown(section)}; it is a group, set {prefix}{key}.KEY=..."
                )
            built[key] = build(type_of(cls, one), {**one.metadata["defaults"], **section}, prefix + key)
        elif key in values:
            try:
                built[key] = checked(key, values[key], type_of(cls, one), rule_of(one))
            except ValueError as error:
                raise VisionLoraError(f"{prefix}{error}") from error
        elif one.default is one.default_factory is dataclasses.MISSING:
            raise VisionLoraError(no_value(prefix + key))
    try:
        return cls(**built)
    except ValueError as error:
        raise VisionLoraError(f"{prefix}{error}") from error


@functools.cache
def groups_of_training() -> frozenset[str]:
    """The groups in `conf/train.yaml`. A preset of images may set their keys (data=goldfish sets lora.init);
    commands that do not train pass them over, and refuse them beforehand where a user gives one."""
    composed = OmegaConf.load(shipped("conf/train.yaml")).defaults
    return frozenset(str(key) for one in composed if isinstance(one, DictConfig) for key in one)


def no_value(key: str) -> str:
    """A one-line error for an option that has to be given."""
    return f"{key} has no value; set {key}=... (--help {key} says what it is)"


def no_such_key(key: str, known: Sequence[str]) -> str:
    """A one-line error for a key that does not exist, with the closest of those that do."""
    close = difflib.get_close_matches(key, known, n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(known)}"
    return f"there is no configuration key {key!r}; {hint}"
