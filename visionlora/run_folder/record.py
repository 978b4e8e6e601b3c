"""``run.json``: what a run was started with and what it decided for itself, written when it was decided."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from visionlora.errors import VisionLoraError
from visionlora.files import json_text, read_json, write_json
from visionlora.text import brief

MOST_THREADS = 1024


def _is_input(value: object) -> bool:
    return value is None or isinstance(value, str) or (type(value) is int and 1 <= value <= MOST_THREADS)


def _is_trial(trial: object) -> bool:
    return isinstance(trial, dict) and all(
        key in trial and (trial[key] is None or type(trial[key]) in (int, float))
        for key in ("lr", "val/objective")
    )


_KINDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "directory": (lambda value: isinstance(value, str) and "\0" not in value, "a folder"),
    "inputs": (
        lambda value: isinstance(value, dict) and all(map(_is_input, value.values())),
        f"an object of texts and numbers up to {MOST_THREADS}",
    ),
    "options": (lambda value: isinstance(value, dict), "an object"),
    "decided": (lambda value: isinstance(value, dict), "an object"),
    "forced": (lambda value: isinstance(value, list), "a list"),
    "learning_rate_trials": (
        lambda value: isinstance(value, list) and all(map(_is_trial, value)),
        "a list of trials",
    ),
}
"""What is read back, and may be untrusted."""


class Record:
    """Values by name, in a file.

    Args:
        path: of the file; nothing is recorded yet where it is missing.

    Raises:
        VisionLoraError: the file is something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._values: dict[str, Any] = {}
        if path.exists():
            values = read_json(path)
            if not isinstance(values, dict):
                raise VisionLoraError(f"{path} is not the record of a run")
            for name, (fits, wanted) in _KINDS.items():
                if name in values and not fits(values[name]):
                    raise VisionLoraError(f"{path}: {name} is {brief(values[name])}, not {wanted}")
            try:
                json_text(values)
            except ValueError as error:
                raise VisionLoraError(f"{path} holds NaN or infinity, which no run writes") from error
            self._values = values

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def get(self, name: str, default: Any = None) -> Any:
        """What was recorded."""
        return self._values.get(name, default)

    def set(self, name: str, value: Any) -> None:
        """Record a value: it is in the file afterwards."""
        self._values[name] = value
        write_json(self.path, self._values, indent=1)
