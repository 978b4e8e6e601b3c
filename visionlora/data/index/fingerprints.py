"""Fingerprints of images, kept from run to run by path, size and time of change."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from visionlora.data.files.parallel import in_batches
from visionlora.data.images.fingerprint import Fingerprint, Read, fingerprinted, stamp
from visionlora.data.images.preprocessing import Preprocessing
from visionlora.data.index.store import any_below, key_of, opened, rows_of
from visionlora.lazy import garbage_kept

VERSION = 7
"""Counts up whenever a fingerprint of the same file, or the table, becomes another one."""

_BATCH = 512
_COLUMNS = "digest, hash, thumbnail, width, height, flat, error, several"
_TYPES = (
    "digest BLOB, hash BLOB, thumbnail BLOB, width INTEGER, height INTEGER, flat INTEGER, error TEXT, "
    "several INTEGER"
)
_TABLE = (f"images-{VERSION}", _TYPES)

Early = Callable[[Collection[str]], Iterator[tuple[Sequence[str], list[Read]]]]
"""Given the paths of all that is to be read: (paths, what each shows) of what other processes have read, and
of the rest of what they were told to where all of it is wanted."""

Progress = Callable[[int, int], None]
Entry = tuple[Path, tuple[int, int] | None, Fingerprint]
"""A file, its size and time of change before it was read, and what it shows."""


@dataclass(frozen=True)
class Views:
    """What a network sees of images that are read for their fingerprints; it need not decode them again.

    Attributes:
        preprocessing: what the network takes.
        found: path -> (:func:`stamp` before it was read, uint8 (crop, crop, 3)).
    """

    preprocessing: Preprocessing
    found: dict[Path, tuple[tuple[int, int] | None, NDArray[np.uint8]]] = field(default_factory=dict)

    def of(self, paths: Iterable[Path]) -> dict[Path, NDArray[np.uint8]]:
        """The views of those of the files that were read and have not changed since."""
        kept = {path: self.found[path] for path in paths if path in self.found}
        return {path: view for path, (when, view) in kept.items() if when == stamp(path)}


def holds_any_of(folder: Path, cache: Path | None) -> bool:
    """Whether the index in ``cache`` knows an image below a folder."""
    with opened(cache, *_TABLE) as store:
        return store is not None and any_below(store, folder)


@garbage_kept()
def fingerprints(
    paths: Iterable[Path],
    cache: Path | None = None,
    progress: Progress | None = None,
    views: Views | None = None,
    early: Early | None = None,
) -> dict[Path, Fingerprint]:
    """The fingerprint of each file, from the cache where the file has not changed since.

    Args:
        paths: image files.
        cache: the folder of the cache; None: all are read. One that cannot be used is done without.
        progress: called with (files done, files in all).
        views: takes what a network sees of each file that is read, 49 kB for pocket.
        early: what other processes read, without views (:mod:`visionlora.data.ahead`).
    """
    preprocessing = views.preprocessing if views is not None else None
    todo = list(dict.fromkeys(paths))
    found: dict[Path, Fingerprint] = {}
    with opened(cache, *_TABLE) as store:
        known = _known(store, todo) if store else {}
        found.update((path, one) for path, (when, one) in known.items() if when == stamp(path))
        missing = {str(path): path for path in todo if path not in found}
        new: list[Entry] = []

        def take(read: Iterable[tuple[Path, Read]]) -> None:
            for path, (when, one, view) in read:
                found[path] = one
                new.append((path, when, one))
                if views is not None and view is not None:
                    views.found[path] = (when, view)
            if len(new) >= _BATCH or len(found) == len(todo):
                _keep(store, new)
                new.clear()
            if progress:
                progress(len(found), len(todo))

        take(())
        if early and missing and views is None:
            for names, made in early(missing):
                take(
                    (missing.pop(name), one) for name, one in zip(names, made, strict=True) if name in missing
                )
        for batch, made in in_batches(lambda some: fingerprinted(some, preprocessing), [*missing.values()]):
            take(zip(batch, made, strict=True))
    return {path: found[path] for path in todo}


def _known(store: sqlite3.Connection, paths: list[Path]) -> dict[Path, tuple[tuple[int, int], Fingerprint]]:
    known = {}
    for path, (when, digest, bits, thumbnail, width, height, flat, error, several) in rows_of(
        store, paths, _COLUMNS
    ).items():
        number = int.from_bytes(bits, "big")
        one = Fingerprint(digest, number, thumbnail, width, height, bool(flat), error, bool(several))
        known[path] = when, one
    return known


def _keep(store: sqlite3.Connection | None, entries: Sequence[Entry]) -> None:
    if store is None:
        return
    rows = [
        (key_of(path), *when, one.digest, one.hash.to_bytes(8, "big"), one.thumbnail, one.width, one.height,
         int(one.flat), one.error, int(one.several))
        for path, when, one in entries if when is not None
    ]  # fmt: skip
    try:
        with store:
            store.executemany(f"INSERT OR REPLACE INTO files VALUES ({','.join('?' * 11)})", rows)
    except sqlite3.Error:  # a full disk, or a cache that another process holds
        return
