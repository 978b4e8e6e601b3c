"""Options: the default, type, range and one line of help of a value, in the dataclass of its section."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from functools import cache
from pathlib import PurePath
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import yaml

from visionlora.value_text import shown, written


@dataclass(frozen=True)
class Rule:
    """What a field's metadata says about its values.

    The bounds hold for every number, in lists and mappings too.

    Attributes:
        help: one line for ``--help``.
        words: the texts that have a meaning; without ``path`` and ``free`` no other text is allowed.
        free: what other text is, in words.
        path: other text is a path, or a glob: ``~`` is expanded.
        suffixes: what a path ends in, in any case.
        length: the number of items of a list.
        sweeps: with ``--multirun`` a comma separates values; in other texts it is a part of the text.
        also: what people call it elsewhere; ``--help`` and errors lead from there to here.
    """

    help: str = ""
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    words: tuple[str, ...] = ()
    free: str = ""
    path: bool = False
    suffixes: tuple[str, ...] = ()
    length: int | None = None
    sweeps: bool = False
    also: tuple[str, ...] = ()

    @property
    def takes_any_text(self) -> bool:
        """Whether texts other than ``words`` are allowed."""
        return self.path or bool(self.free) or not self.words

    def allows(self, number: float) -> bool:
        """Whether a number is finite and within the bounds."""
        try:
            finite = math.isfinite(number)
        except OverflowError:  # a whole number beyond the largest float
            return False
        return (
            finite
            and (self.at_least is None or number >= self.at_least)
            and (self.above is None or number > self.above)
            and (self.at_most is None or number <= self.at_most)
            and (self.below is None or number < self.below)
        )


def option(default: Any = MISSING, help: str = "", **rule: Any) -> Any:
    """A dataclass field with a :class:`Rule`; without a default the user has to give a value."""
    Rule(help, **rule)  # a misspelt keyword fails here
    return field(default=default, metadata={"help": help, **rule})


def section(preset: str = "default", only: Sequence[str] = (), **defaults: Any) -> Any:
    """A field that holds a section of the configuration: a group of options.

    Args:
        preset: the name of the group's option that holds the defaults.
        only: the keys that this command takes; none given: all. Presets may set the others.
        defaults: values that differ from the section's own in this command.
    """
    return field(metadata={"preset": preset, "only": tuple(only), "defaults": defaults})


class Section:
    """Base of a section's dataclass: every value is checked, and converted, when it is built.

    Raises:
        ValueError: a value that its option does not take. The message starts with the field's name.
    """

    def __post_init__(self) -> None:
        for one in fields(self):  # type: ignore[arg-type]
            if "preset" in one.metadata:
                continue
            value = checked(one.name, getattr(self, one.name), type_of(type(self), one), rule_of(one))
            object.__setattr__(self, one.name, value)
        self.check()

    def check(self) -> None:
        """Check what one value alone does not show; the message starts with a field's name."""


def rule_of(one: Field) -> Rule:
    """The rule in a field's metadata."""
    return Rule(**one.metadata)


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def type_of(cls: type, one: Field) -> Any:
    """The type of a dataclass's field, resolved."""
    return _hints(cls)[one.name]


def kinds(hint: Any) -> tuple[Any, ...]:
    """The members of a union; a type that is none, alone. A literal is a text: the rule has its words."""
    members = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return tuple(str if get_origin(one) is Literal else one for one in members)


class _Refused(Exception):
    """A value is not taken; the text names the item of a list or mapping that it is about."""


def checked(name: str, value: Any, hint: Any, rule: Rule) -> Any:
    """The value as the option of that type and rule keeps it.

    Raises:
        ValueError: the option does not take it.
    """
    try:
        return _first_fit(value, hint, rule)
    except _Refused as refused:
        item = f" ({refused})" if str(refused) and len(written(value)) > len(shown(value)) else ""
        raise ValueError(f"{name} is {shown(value)}{item}; it takes {takes(hint, rule)}") from None


def _first_fit(value: Any, hint: Any, rule: Rule) -> Any:
    """The value as the first type of a union has it that takes it."""
    about = ""
    for kind in kinds(hint):
        try:
            return _converted(value, kind, rule)
        except _Refused as refused:
            about = about or str(refused)
    raise _Refused(about)


def _converted(value: Any, kind: Any, rule: Rule) -> Any:
    origin, parts = get_origin(kind) or kind, get_args(kind)
    if origin is NoneType:
        fits = value is None
    elif origin is bool:
        fits = isinstance(value, bool)
    elif origin in (int, float):
        return _number(value, origin, rule)
    elif origin is str:
        return _text(value, rule)
    elif origin is Mapping:
        if isinstance(value, str):
            value = _mapping(value)
        if not isinstance(value, Mapping):
            raise _Refused
        return {str(key): _item(key, item, parts[1], rule) for key, item in value.items()}
    else:
        listed = isinstance(value, Sequence) and not isinstance(value, (str, bytes))
        if not listed or rule.length not in (None, len(value)):
            raise _Refused
        return tuple(_item(place, item, parts[0], rule) for place, item in enumerate(value, 1))
    if not fits:
        raise _Refused
    return value


def _item(name: object, value: Any, hint: Any, rule: Rule) -> Any:
    try:
        return _first_fit(value, hint, rule)
    except _Refused:
        raise _Refused(f"item {name} is {shown(value)}") from None


def _mapping(text: str) -> Any:
    """A mapping as text, from a command line: Hydra's own grammar has no parentheses in keys."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise _Refused from error


def _number(value: Any, kind: type[int] | type[float], rule: Rule) -> float:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not rule.allows(value) or (kind is int and value != int(value)):
        raise _Refused
    return kind(value)  # PyTorch has distributions that refuse a whole number: augment.cutmix=1


def _text(value: Any, rule: Rule) -> str:
    if rule.takes_any_text and isinstance(value, (int, float)) and not isinstance(value, bool):
        value = str(value)  # a folder called 2024
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise _Refused
    if value in rule.words:
        return value
    if not rule.takes_any_text:
        raise _Refused
    if rule.suffixes and PurePath(value).suffix.lower() not in rule.suffixes:
        raise _Refused
    return os.path.expanduser(value) if rule.path else value  # noqa: PTH111 - Path changes a glob's text


# ---------------------------------------------------------------------------------------------------------
# In words, for errors and help.


def takes(hint: Any, rule: Rule) -> str:
    """What an option takes, in words: ``auto or a whole number of at least 1``."""
    return _either([word for kind in kinds(hint) for word in _words(kind, rule)])


def _either(words: Sequence[str]) -> str:
    """``a``, ``a or b``, ``a, b or c``; with a comma before the last ``or`` where an item has one."""
    if len(words) == 1:
        return words[0]
    comma = "," if " or " in words[-2] else ""
    return f"{', '.join(words[:-1])}{comma} or {words[-1]}"


def _words(kind: Any, rule: Rule) -> list[str]:
    origin, parts = get_origin(kind) or kind, get_args(kind)
    if origin is NoneType:
        return ["null"]
    if origin is bool:
        return ["true", "false"]
    if origin in (int, float):
        return [("a whole number" if origin is int else "a number") + _range(rule)]
    if origin is str:
        ending = f" ending in {_either(rule.suffixes)}" if rule.suffixes else ""
        free = rule.free or ("a path" if rule.path else "text")
        return [*rule.words, *([free + ending] if rule.takes_any_text else [])]
    if origin is Mapping:
        return [f"{{name: {takes(parts[1], rule).removeprefix('a ')}}}"]
    count = {None: "", 2: "two "}.get(rule.length, f"{rule.length} ")
    items = {str: "paths" if rule.path else "texts", float: "numbers", int: "whole numbers"}[parts[0]]
    return [f"a list of {count}{items}{'' if parts[0] is str else _range(rule)}"]


def _range(rule: Rule) -> str:
    low, high = rule.at_least, rule.at_most
    if low is not None and high is not None:
        return f" from {_bound(low)} to {_bound(high)}"
    parts = [
        f"{word} {_bound(bound)}"
        for word, bound in (
            ("of at least", low), ("above", rule.above), ("of at most", high), ("below", rule.below),
        )
        if bound is not None
    ]  # fmt: skip
    return f" {' and '.join(parts)}" if parts else ""


def _bound(number: float) -> str:
    return f"{int(number) if number == int(number) else number:,}"


def given(name: str, section: Any, *keys: str, command: type | None = None) -> list[str]:
    """Those of a section's options that are not as they are by default, by their full names.

    Args:
        name: the section's.
        section: its values.
        keys: which options.
        command: the options of the command, where it has defaults of its own for that section.
    """

    def default(one: Any) -> Any:
        return one.default if one.default_factory is MISSING else one.default_factory()

    defaults = {one.name: default(one) for one in fields(section)}
    for one in fields(command) if command else ():
        defaults |= one.metadata["defaults"] if one.name == name else {}
    return [f"{name}.{key}" for key in keys if getattr(section, key) != defaults[key]]


def filled_in(asked: Any, now: Any, prefix: str = "") -> dict[str, Any]:
    """The options that ``asked`` leaves open (auto or null) and ``now`` does not, by full name."""
    found: dict[str, Any] = {}
    for one in fields(asked):
        open_, value = getattr(asked, one.name), getattr(now, one.name)
        if is_dataclass(open_):
            found |= filled_in(open_, value, f"{prefix}{one.name}.")
        elif open_ in (None, "auto") and value != open_:
            found[prefix + one.name] = value
    return found
