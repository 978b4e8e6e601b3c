"""``run.json``: what a run was started with and what it decided for itself, written when it was decided."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from visionlora.errors import VisionLoraError
from visionlora.files import read_json, write_json


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
                raise VisionLoraError(f"{path} is no record of a run")
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
