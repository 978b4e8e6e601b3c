"""Read the images of a folder while a command starts and finds out what they are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from visionlora.data.files.formats import SUFFIXES
from visionlora.data.files.parallel import in_background
from visionlora.data.files.root import as_written
from visionlora.data.files.system_files import is_system_file
from visionlora.data.images.fingerprint import fingerprinted
from visionlora.data.index.fingerprints import Early, holds_any_of
from visionlora.errors import VisionLoraError
from visionlora.paths import cache_directory, require_current_folder

FROM = 2000
"""Smaller folders are looked through in a moment."""

_MOST = 20_000
"""What is read may be no image of any class, and waits in memory: half a kilobyte each."""

_reading: ContextVar[tuple[str, Early] | None] = ContextVar("_reading", default=None)


@contextmanager
def reading_ahead(root: str) -> Iterator[None]:
    """Inside, other processes read what seem to be images below a folder; :func:`read_early` gives it.

    Nothing is read of a folder that the index knows images of.

    Args:
        root: what the user gave, whatever it is.
    """
    try:
        require_current_folder()
        folder = as_written(root)
    except VisionLoraError:  # the command says so
        yield
        return
    names = [] if holds_any_of(folder, cache_directory()) else _listed(folder)
    with in_background(fingerprinted, names if len(names) > FROM else []) as results:
        token = _reading.set((root, lambda wanted: results(set(names).issubset(wanted))))
        try:
            yield
        finally:
            _reading.reset(token)


def read_early(root: str) -> Early:
    """What is read ahead of a root; nothing where it is not the one."""
    reading = _reading.get()
    return reading[1] if reading is not None and reading[0] == root else lambda wanted: iter(())


def _listed(folder: Path) -> list[str]:
    """The first files below a folder that are called like images, links to folders not followed."""
    found: list[str] = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not is_system_file(name)]
        start = str(Path(parent, "_"))[:-1]  # as paths are written: not ./cat/1.jpg
        found += [start + name for name in files if os.path.splitext(name)[1].casefold() in SUFFIXES]  # noqa: PTH122
        if len(found) >= _MOST:
            break
    return sorted(found[:_MOST])
