"""The path that a user gives for images: as it is written, and what to say where nothing is there."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path

from visionlora.data.layout_hints import LAYOUTS
from visionlora.errors import VisionLoraError

_VARIABLE = re.compile(r"\$\w+|%\w+%")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)  # Windows' drives have one letter


def as_written(root: str | Path) -> Path:
    """The path as it is written; ``~`` is the home folder unless there is a folder of that name."""
    path = Path(root)
    return path.expanduser() if str(root).startswith("~") and not os.path.lexists(path) else path


def refuse_missing(folder: Path) -> None:
    """Refuse a path that is no folder, with the closest name beside it that is one.

    Raises:
        VisionLoraError: names the path.
    """
    if os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir raises where it may not look
        return
    if os.path.isfile(folder):  # noqa: PTH113
        raise VisionLoraError(f"{folder} is a file where a folder of images is wanted")
    if os.path.islink(folder) and not os.path.exists(folder):  # noqa: PTH110, PTH114
        raise VisionLoraError(
            f"{folder} is a link to {folder.readlink()}, which is not there; repair the link"
        )
    if os.path.exists(folder):  # noqa: PTH110
        raise VisionLoraError(f"{folder} is neither a folder nor a file; give a folder laid out as {LAYOUTS}")
    if _ADDRESS.match(str(folder)):
        raise VisionLoraError(
            f"{folder} is an address, which is not downloaded; download it, and give a folder"
        )
    if any(sign in folder.name for sign in "*?"):
        raise VisionLoraError(
            f"there is no folder {folder}; a pattern does not stand for folders: give one of them"
        )
    if variable := _VARIABLE.search(str(folder)):
        raise VisionLoraError(
            f"there is no folder {folder}; {variable[0]} is not replaced: write the path out"
        )
    try:
        beside = [path.name for path in folder.parent.iterdir()]
    except (OSError, ValueError):
        beside = []
    close = difflib.get_close_matches(folder.name, beside, n=1)
    hint = f"did you mean {folder.parent / close[0]}?" if close else f"give a folder laid out as {LAYOUTS}"
    raise VisionLoraError(f"there is no folder {folder}; {hint}")
