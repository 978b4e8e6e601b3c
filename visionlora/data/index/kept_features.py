"""What a network makes of images, kept from check to check by path, size and time of change."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from visionlora.data.images.fingerprint import stamp
from visionlora.data.index.store import key_of, opened, rows_of

Features = NDArray[np.float32]


def with_kept_features(
    paths: Sequence[Path], cache: Path | None, name: str, compute: Callable[[Sequence[Path]], Features]
) -> Features:
    """(N, D): the features of N images, from the cache where a file has not changed since.

    Args:
        paths: images that can be read.
        cache: the folder of the cache; None: all are computed. One that cannot be used is done without.
        name: of the network, its weights and what its features are: another name, another table.
        compute: gives the features of some of the images; not called where there are none left.
    """
    with opened(cache, f"features-{name}", "features BLOB") as store:
        known = _known(store, paths) if store else {}
        stamps = {path: stamp(path) for path in paths}
        kept = {path: known.get(path) for path in stamps}
        missing = [path for path, one in kept.items() if one is None or one[0] != stamps[path]]
        made = dict(zip(missing, compute(missing) if missing else (), strict=True))
        if store:
            _keep(store, [(path, stamps[path], row) for path, row in made.items()])
    rows = made | {path: one[1] for path, one in kept.items() if one is not None and path not in made}
    return np.stack([rows[path] for path in paths])


def _known(store: sqlite3.Connection, paths: Sequence[Path]) -> dict[Path, tuple[tuple[int, int], Features]]:
    rows = rows_of(store, paths, "features")
    return {path: (when, np.frombuffer(features, np.float32)) for path, (when, features) in rows.items()}


def _keep(
    store: sqlite3.Connection, entries: Sequence[tuple[Path, tuple[int, int] | None, Features]]
) -> None:
    rows = [(key_of(path), *when, row.tobytes()) for path, when, row in entries if when is not None]
    try:
        with store:
            store.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", rows)
    except sqlite3.Error:  # a full disk, or a cache that another process holds
        return
