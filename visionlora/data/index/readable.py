"""Which image files are known to be readable, kept from run to run by path, size and time of change.

A long folder is decoded once; the next run looks at the size and time of each file alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from visionlora.data.images.fingerprint import stamp
from visionlora.data.index.store import key_of, opened

VERSION = 1
"""Counts up whenever a file that was readable no longer is."""


class Readable:
    """The index; it takes about 100 bytes a file on disk, and no memory.

    Args:
        store: its open file; None: nothing is known, and nothing is kept.
    """

    def __init__(self, store: sqlite3.Connection | None = None) -> None:
        self._store = store

    def unknown(self, paths: Sequence[Path]) -> list[Path]:
        """Those of the paths that are not known to be readable as they are now; 500 or so at a time."""
        if self._store is None:
            return list(paths)
        keys = {key_of(path): path for path in paths}
        marks = ",".join("?" * len(keys))
        try:
            rows = self._store.execute(
                f"SELECT path, size, changed FROM files WHERE path IN ({marks})", list(keys)
            ).fetchall()
        except sqlite3.Error:
            return list(paths)
        known = {keys[key] for key, *when in rows if stamp(keys[key]) == tuple(when)}
        return [path for path in paths if path not in known]

    def add(self, paths: Sequence[Path]) -> None:
        """Remember that files are readable as they are now."""
        if self._store is None:
            return
        stamps = [(key_of(path), stamp(path)) for path in paths]
        try:
            with self._store:
                self._store.executemany(
                    "INSERT OR REPLACE INTO files VALUES (?, ?, ?)", [(key, *at) for key, at in stamps if at]
                )
        except sqlite3.Error:  # a full disk, or another process holds it: the next run reads the files again
            return


@contextmanager
def readable(folder: Path | None) -> Iterator[Readable]:
    """The index in a folder, made where it is missing or damaged; None: there is none."""
    with opened(folder, f"readable-{VERSION}") as store:
        yield Readable(store)
