"""What a network makes of images is computed once."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from visionlora.data.index.kept_features import Features, with_kept_features


class Network:
    """Makes two numbers of a file, and remembers which files it was asked about."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, paths: Sequence[Path]) -> Features:
        self.asked += [path.name for path in paths]
        return np.array([[path.stat().st_size, 1 / 3] for path in paths], np.float32)


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    found = [tmp_path / name for name in "abc"]
    for place, path in enumerate(found):
        path.write_bytes(bytes(place + 1))
    return found


def test_a_file_is_computed_again_where_it_has_changed_and_only_then(
    paths: list[Path], tmp_path: Path
) -> None:
    network, cache = Network(), tmp_path / "cache"
    first = with_kept_features(paths, cache, "net", network)
    assert network.asked == ["a", "b", "c"]
    assert np.array_equal(first, with_kept_features(paths, cache, "net", network))
    assert network.asked == ["a", "b", "c"]
    paths[1].write_bytes(bytes(9))
    again = with_kept_features([paths[1], paths[0], paths[1]], cache, "net", network)
    assert network.asked == ["a", "b", "c", "b"]
    assert again.tolist() == [[9, np.float32(1 / 3)], first[0].tolist(), [9, np.float32(1 / 3)]]


def test_another_network_has_features_of_its_own(paths: list[Path], tmp_path: Path) -> None:
    network = Network()
    for name in ("one", "other"):
        with_kept_features(paths, tmp_path / "cache", name, network)
    assert len(network.asked) == 6


@pytest.mark.parametrize("damaged", [True, False])
def test_a_cache_that_cannot_be_used_is_done_without(
    paths: list[Path], tmp_path: Path, damaged: bool
) -> None:
    network, cache = Network(), tmp_path / "cache"
    if damaged:
        with_kept_features(paths, cache, "net", network)
        for file in cache.iterdir():
            file.write_bytes(b"no table")
    else:
        cache.write_text("a file")
    assert with_kept_features(paths, cache, "net", network)[:, 0].tolist() == [1, 2, 3]
    assert with_kept_features(paths, None, "net", network).shape == (3, 2)


def test_a_table_that_another_process_writes_is_left_as_it_is(
    paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, network = tmp_path / "cache", Network()
    with_kept_features(paths, cache, "net", network)
    monkeypatch.setattr("visionlora.data.index.store.WAIT_S", 0.01)
    (table,) = cache.iterdir()
    with closing(sqlite3.connect(table)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with_kept_features(paths, cache, "net", network)
        other.rollback()
    asked = len(network.asked)
    with_kept_features(paths, cache, "net", network)
    assert len(network.asked) == asked, "what was kept is there again"
