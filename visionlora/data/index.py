"""Fingerprints of images, kept from run to run by path, size and time of change."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path

import PIL

from visionlora.data.fingerprint import Fingerprint, fingerprints_of, sample, stamp
from visionlora.data.formats import FORMATS

VERSION = 2
"""Counts up whenever a fingerprint of the same file becomes another one."""

_BATCH = 512
_COLUMNS = "digest, hash, thumbnail, width, height, flat, error"

Progress = Callable[[int, int], None]


def fingerprints(
    paths: Iterable[Path],
    cache: Path | None = None,
    progress: Progress | None = None,
    threads: int | None = None,
) -> dict[Path, Fingerprint]:
    """The fingerprint of each file, from the cache where the file has not changed since.

    Args:
        paths: image files.
        cache: the folder of the cache; None: all are read. One that cannot be used is done without.
        progress: called with (files done, files in all).
        threads: that read and decode; None: one for each core, at most 8.
    """
    todo = list(dict.fromkeys(paths))
    found: dict[Path, Fingerprint] = {}
    with _opened(cache) as store:
        known = _known(store, todo) if store else {}
        stamps = {path: stamp(path) for path in todo}
        for path in todo:
            entry = known.get(_key(path))
            if entry is not None and entry[0] == stamps[path]:
                found[path] = entry[1]
        missing = [path for path in todo if path not in found]
        done = len(found)
        if progress:
            progress(done, len(todo))
        with ThreadPoolExecutor(threads or min(8, os.cpu_count() or 1)) as pool:
            samples = zip(missing, pool.map(sample, missing), strict=True)
            while batch := list(islice(samples, _BATCH)):
                made = fingerprints_of([one for _, one in batch])
                entries = [(path, one) for (path, _), one in zip(batch, made, strict=True)]
                found.update(entries)
                _keep(store, [(path, stamps[path], one) for path, one in entries])
                done += len(batch)
                if progress:
                    progress(done, len(todo))
    return {path: found[path] for path in todo}


@contextmanager
def _opened(folder: Path | None) -> Iterator[sqlite3.Connection | None]:
    """The store, made or made anew where it must be; None where there can be none."""
    if folder is None:
        yield None
        return
    # Another version of Pillow may read another set of files.
    name = f"images-{VERSION}-{PIL.__version__}-{len(FORMATS)}.sqlite"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        store = _connect(folder / name)
    except (OSError, sqlite3.Error):
        yield None
        return
    with closing(store):
        yield store


def _connect(path: Path) -> sqlite3.Connection:
    columns = "path BLOB PRIMARY KEY, size INTEGER, changed INTEGER, digest BLOB, hash BLOB, thumbnail BLOB, "
    columns += "width INTEGER, height INTEGER, flat INTEGER, error TEXT"
    for attempt in range(2):
        store = sqlite3.connect(path, timeout=10)
        try:
            store.execute("PRAGMA synchronous = OFF")  # losing the cache costs time, nothing else
            store.execute(f"CREATE TABLE IF NOT EXISTS images ({columns}) WITHOUT ROWID")
            store.execute(f"SELECT {_COLUMNS} FROM images LIMIT 1").fetchone()
        except sqlite3.DatabaseError:
            store.close()
            if attempt:
                raise
            path.unlink(missing_ok=True)  # damaged
        else:
            return store
    raise AssertionError("unreachable")


def _key(path: Path) -> bytes:
    return os.fsencode(os.path.abspath(path))  # noqa: PTH100 - links are told apart


def _known(store: sqlite3.Connection, paths: list[Path]) -> dict[bytes, tuple[tuple[int, int], Fingerprint]]:
    known = {}
    keys = [_key(path) for path in paths]
    try:
        for start in range(0, len(keys), _BATCH):
            some = keys[start : start + _BATCH]
            marks = ",".join("?" * len(some))
            query = f"SELECT path, size, changed, {_COLUMNS} FROM images WHERE path IN ({marks})"
            for key, size, changed, digest, bits, thumbnail, width, height, flat, error in store.execute(
                query, some
            ):
                one = Fingerprint(
                    digest, int.from_bytes(bits, "big"), thumbnail, width, height, bool(flat), error
                )
                known[key] = (size, changed), one
    except sqlite3.Error:
        return {}
    return known


def _keep(
    store: sqlite3.Connection | None, entries: list[tuple[Path, tuple[int, int] | None, Fingerprint]]
) -> None:
    if store is None:
        return
    rows = [
        (_key(path), *when, one.digest, one.hash.to_bytes(8, "big"), one.thumbnail, one.width, one.height,
         int(one.flat), one.error)
        for path, when, one in entries if when is not None
    ]  # fmt: skip
    try:
        with store:
            store.executemany(f"INSERT OR REPLACE INTO images VALUES ({','.join('?' * 10)})", rows)
    except sqlite3.Error:  # a full disk, or a cache that another process holds
        return
