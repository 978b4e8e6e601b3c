"""From a section of the configuration to a validated dataclass."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from visionlora.errors import VisionLoraError

T = TypeVar("T")

_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "null"}


def require(condition: bool, what: str, value: Any) -> None:
    """Raise ``ValueError`` with what was expected unless ``condition`` holds."""
    if not condition:
        raise ValueError(f"{what}, not {value!r}")


def plain(section: DictConfig) -> dict[str, Any]:
    """The resolved section as plain Python containers; a value left at ``???`` is an error."""
    try:
        values = OmegaConf.to_container(section, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        key = getattr(error, "full_key", None) or "a value"
        raise VisionLoraError(
            f"{key} has no usable value ({error.__class__.__name__}); set {key}=..."
        ) from error
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def build(cls: type[T], values: Mapping[str, Any], name: str) -> T:
    """Build the dataclass ``cls`` from the section ``name``.

    Raises:
        VisionLoraError: a key that ``cls`` does not have, or a value that it refuses.
    """
    fields = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    for key in values:
        if key not in fields:
            close = difflib.get_close_matches(key, fields, n=1)
            hint = f"did you mean {name}.{close[0]}?" if close else f"there are {', '.join(fields)}"
            raise VisionLoraError(f"there is no configuration key {name + '.' + key!r}; {hint}")
    hints = get_type_hints(cls)
    for key, value in values.items():
        if not _fits(value, hints[key]):
            raise VisionLoraError(f"{name}.{key} is {value!r}; it takes {_words(hints[key])}")
    try:
        return cls(**values)
    except (TypeError, ValueError) as error:
        raise VisionLoraError(f"{name}: {error}") from error


def _fits(value: Any, hint: Any) -> bool:
    """Whether a configuration's value has the type that a field asks for; containers are not looked into."""
    if get_origin(hint) in (Union, UnionType):
        return any(_fits(value, one) for one in get_args(hint))
    kind = get_origin(hint) or hint
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    if kind is float:
        return isinstance(value, (int, float))
    if kind is tuple:
        return isinstance(value, (list, tuple))
    if isinstance(value, str):
        return kind is str
    return isinstance(value, kind)


def _words(hint: Any) -> str:
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(_words(one) for one in get_args(hint))
    kind = get_origin(hint) or hint
    if kind is Mapping:
        return "a mapping, {name: value}"
    return _WORDS.get(kind, "a list, [a, b]")
