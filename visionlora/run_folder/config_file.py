"""The configuration of a run, read from a file that may be untrusted."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from visionlora.files import require_regular
from visionlora.text import without_references
from visionlora.value_text import shown

MOST_CONFIG = 2**18
"""Bytes of a run's configuration."""
MOST_BRACKETS = 1000
_DECIDED = "  # decided: "
_QUOTE = "'"
_OPEN = re.compile(rf"(?P<text>  (?P<key>\w+): (?:auto|null))(?:{_DECIDED}.*)?")
"""An option of a section that leaves its value to the run."""


def load_config(path: Path) -> DictConfig:
    """Read a configuration as a run wrote it, with every value resolved: ``${...}`` in it is text.

    Raises:
        OSError, ValueError, RecursionError, yaml.YAMLError, OmegaConfBaseException: it cannot be read, or no
            run wrote it.
    """
    require_regular(path)
    if path.stat().st_size > MOST_CONFIG:
        raise ValueError(f"more than {MOST_CONFIG >> 10} KiB")
    text = path.read_text(encoding="utf-8")
    if text.count("[") + text.count("{") > MOST_BRACKETS:  # the parser's time is quadratic in their depth
        raise ValueError(f"more than {MOST_BRACKETS} brackets")
    # Ten lists of ten aliases each are ten thousand million values.
    if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text, yaml.SafeLoader)):
        raise ValueError("it has aliases, which no run writes")
    config = OmegaConf.load(io.StringIO(text))
    if not config:
        raise ValueError("it is empty")
    if not isinstance(config, DictConfig):
        raise ValueError("it is not the configuration of a run")
    # A reference in an untrusted file could read the environment.
    return OmegaConf.create(as_text(OmegaConf.to_container(config, resolve=False)))


def with_decided(text: str, decided: Mapping[str, Any]) -> str:
    """The text of a configuration with a comment behind each option that was left to the run.

    The values stay as they were asked for: a run that continues from this one (``adapter=``) decides for its
    own images, and ``resume=`` compares them with what is given.

    Args:
        text: as a run writes it, a section's options two spaces in.
        decided: option -> value.
    """
    lines, section = [], ""
    for line in text.split("\n"):  # YAML has other line breaks inside of texts
        section = line[:-1] if re.fullmatch(r"\w+:", line) else section
        option = _OPEN.fullmatch(line)
        name = f"{section}.{option['key']}" if option else ""
        if option and name in decided:
            line = f"{option['text']}{_DECIDED}{shown(decided[name]).strip(_QUOTE)}"
        lines.append(line)
    return "\n".join(lines)


def set_value(config: DictConfig, name: str, value: Any) -> None:
    """Give an option a value in plain Python, which may be untrusted: ``${...}`` in it stays text."""
    OmegaConf.update(config, name, as_text(value), merge=False, force_add=True)


def as_text(value: Any) -> Any:
    """A value for OmegaConf in which ``${...}`` is text and no reference."""
    if isinstance(value, dict):
        return {key: as_text(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_text(one) for one in value]
    return without_references(value) if isinstance(value, str) else value
