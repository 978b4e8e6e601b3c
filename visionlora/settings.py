"""From a section of the configuration to a validated dataclass."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any, TypeVar

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from visionlora.errors import VisionLoraError

T = TypeVar("T")


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
    try:
        return cls(**values)
    except (TypeError, ValueError) as error:
        raise VisionLoraError(f"{name}: {error}") from error
