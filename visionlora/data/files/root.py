"""The path that a user gives for images: as it is written, and what to say where nothing is there."""

from __future__ import annotations

import difflib
import os
import re
import shlex
from pathlib import Path
from urllib.parse import unquote

from visionlora.errors import VisionLoraError
from visionlora.paths import with_home

LAYOUTS = "FOLDER/<class>/*, FOLDER/{train,val,test}/<class>/*, or FOLDER/* with data.class_name=NAME"
_VARIABLE = re.compile(r"\$\w+|%\w+%")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)  # Windows' drives have one letter
_DRIVE = re.compile(r"([a-z]):[\\/](.*)", re.IGNORECASE)
_FILE = re.compile(r"file:(?://(?:localhost)?(?=/))?(?=/)", re.IGNORECASE)


def as_written(root: str | Path) -> Path:
    """The path as it is written; ``~`` is the home folder unless there is a folder of that name, and
    ``file:///a`` is ``/a``.

    Raises:
        VisionLoraError: it is an address of something else.
    """
    text = str(root)
    path = Path(root)
    if os.path.lexists(path):
        return path
    if _FILE.match(text):
        return Path(unquote(_FILE.sub("", text)))
    if _ADDRESS.match(text):
        raise VisionLoraError(
            f"{text} is an address, which is not downloaded; download it, and give a folder"
        )
    return with_home(path) if text.startswith("~") else path


def refuse_several(root: str | Path) -> None:
    """Refuse a list of folders, of which ``data.root`` takes one.

    Raises:
        VisionLoraError: says what to do.
    """
    text = str(root)
    parts = [part.strip(" '\"") for part in text.strip("[]").split(",")]
    if os.path.lexists(text) or len(parts) < 2 or not all(map(os.path.isdir, parts)):
        return
    each = " ".join(shlex.quote(f"{part}/.") for part in parts)
    raise VisionLoraError(
        f"data.root is one folder, and {text} are {len(parts)}; put them into one, where classes of one name "
        f"become one: mkdir all && cp -r {each} all, then data.root=all (files of one name overwrite each "
        "other; a CSV of paths and labels needs no copies)"
    )


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
    if any(sign in folder.name for sign in "*?"):
        raise VisionLoraError(
            f"there is no folder {folder}; a pattern does not stand for folders: give one of them"
        )
    if variable := _VARIABLE.search(str(folder)):
        raise VisionLoraError(
            f"there is no folder {folder}; {variable[0]} is not replaced: write the path out"
        )
    close = close_to(folder)
    if close is None and (_DRIVE.match(str(folder)) or str(folder).startswith("\\\\")):
        raise VisionLoraError(f"{folder} is a path of Windows; give the folder as this system calls it")
    where = "" if folder.is_absolute() else f" in {Path.cwd()}"
    hint = f"did you mean {close}?" if close else f"give a folder laid out as {LAYOUTS}"
    raise VisionLoraError(f"there is no folder {folder}{'' if close else where}; {hint}")


def close_to(folder: Path) -> str | None:
    """The path that is there and may be meant; None: there is none."""
    if drive := _DRIVE.fullmatch(str(folder)):
        mounted = "/mnt/{}/{}".format(drive[1].lower(), drive[2].replace("\\", "/"))
        return f"{mounted}, as this system (WSL) calls it" if os.path.isdir("/mnt/c") else None  # noqa: PTH112
    if "\\" in str(folder) and os.path.exists(slashes := str(folder).replace("\\", "/")):  # noqa: PTH110
        return slashes
    missing = folder
    while missing.parent != missing and not os.path.isdir(missing.parent):  # noqa: PTH112
        missing = missing.parent
    try:
        names = {path.name.casefold(): path.name for path in missing.parent.iterdir()}
    except (OSError, ValueError):
        return None
    for match in difflib.get_close_matches(missing.name.casefold(), names, n=3):
        path = missing.parent / names[match] / folder.relative_to(missing)
        if os.path.exists(path):  # noqa: PTH110
            return str(path)
    return None
