"""Values of options in words, for configuration files and messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def written(value: Any) -> str:
    """A value as a configuration file has it, in one line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {written(item)}' for key, item in value.items())}}}"
    return repr(value)


def shown(value: Any) -> str:
    """A value for a message: :func:`written`, of a long one the beginning and the end."""
    return _cut(written(value))


def shown_beside(value: Any, other: Any) -> tuple[str, str]:
    """Two values that differ, for a message; of long ones a part in which they do."""
    if shown(value) != shown(other):
        return shown(value), shown(other)
    texts = written(value), written(other)
    same = next((place for place, pair in enumerate(zip(*texts, strict=False)) if len({*pair}) > 1), 0)
    start = max(0, same - 15)
    return _cut(f"...{texts[0][start:]}"), _cut(f"...{texts[1][start:]}")


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:36]}...{text[-21:]}"
