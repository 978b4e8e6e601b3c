"""Tables about image files, kept between runs in SQLite; each row has a path, a size and a time of change."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import PIL

from visionlora.data.files.formats import FORMATS

WAIT_S = 10
"""For a table that another process is writing; then this one does without."""

_BATCH = 512  # fewer than SQLite takes values in one query


@contextmanager
def opened(folder: Path | None, name: str, columns: str = "") -> Iterator[sqlite3.Connection | None]:
    """The table ``files``, made where it is missing or damaged; None where there can be none.

    Args:
        folder: of the file; None: nothing is kept.
        name: of the file, with the version of what it holds.
        columns: after ``path``, ``size`` and ``changed``: names and types as SQL has them.
    """
    if folder is None:
        yield None
        return
    # Another version of Pillow may read another set of files.
    path = folder / f"{name}-{PIL.__version__}-{len(FORMATS)}.sqlite"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        store = _connect(path, columns)
    except (OSError, sqlite3.Error):
        yield None
        return
    with closing(store):
        yield store


def _connect(path: Path, columns: str) -> sqlite3.Connection:
    every = ", ".join(filter(None, ["path BLOB PRIMARY KEY, size INTEGER, changed INTEGER", columns]))
    names = ", ".join(column.split()[0] for column in every.split(", "))
    for attempt in range(2):
        store = sqlite3.connect(path, timeout=WAIT_S)
        try:
            store.execute("PRAGMA synchronous = OFF")  # losing it costs time, nothing else
            store.execute(f"CREATE TABLE IF NOT EXISTS files ({every}) WITHOUT ROWID")
            store.execute(f"SELECT {names} FROM files LIMIT 1").fetchone()
        except sqlite3.DatabaseError as error:
            store.close()
            if attempt or "locked" in str(error):  # another process writes it
                raise
            path.unlink(missing_ok=True)  # damaged
        else:
            return store
    raise AssertionError("unreachable")


def key_of(path: Path) -> bytes:
    """A file's ``path`` in the table."""
    return os.fsencode(os.path.abspath(path))  # noqa: PTH100 - links are told apart


def any_below(store: sqlite3.Connection, folder: Path) -> bool:
    """Whether there is a file below a folder in the table."""
    start = os.fsencode(os.path.join(os.path.abspath(folder), ""))  # noqa: PTH100, PTH118
    end = start[:-1] + bytes([start[-1] + 1])
    try:
        found = store.execute("SELECT 1 FROM files WHERE path > ? AND path < ? LIMIT 1", (start, end))
        return found.fetchone() is not None
    except sqlite3.Error:
        return False


def rows_of(store: sqlite3.Connection, paths: Collection[Path], columns: str) -> dict[Path, tuple[Any, ...]]:
    """((size, changed), ``columns``) of those files that are in the table; {} where it is damaged."""
    found: dict[bytes, tuple[Any, ...]] = {}
    try:
        if store.execute("SELECT 1 FROM files LIMIT 1").fetchone() is None:
            return {}
        keys = {path: key_of(path) for path in paths}
        wanted = list(set(keys.values()))
        for start in range(0, len(wanted), _BATCH):
            some = wanted[start : start + _BATCH]
            marks = ",".join("?" * len(some))
            query = f"SELECT path, size, changed, {columns} FROM files WHERE path IN ({marks})"
            found.update(
                (key, ((size, changed), *rest)) for key, size, changed, *rest in store.execute(query, some)
            )
    except sqlite3.Error:
        return {}
    return {path: found[key] for path, key in keys.items() if key in found}
