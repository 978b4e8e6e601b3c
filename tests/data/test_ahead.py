"""Images are read while their folder is still looked through."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conftest import Draw
from tests.data.test_parallel import wait_for
from visionlora.data import ahead, index, parallel
from visionlora.data.ahead import reading_ahead
from visionlora.data.fingerprint import Read, fingerprinted
from visionlora.data.folders import find
from visionlora.data.index import fingerprints

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")


@pytest.fixture
def images(monkeypatch: pytest.MonkeyPatch, draw: Draw, tmp_path: Path) -> list[Path]:
    """Two classes in the working folder, of more images than are read by one process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(parallel, "_can_fork", lambda: True)
    monkeypatch.setattr(parallel, "_cores", lambda: 2)
    monkeypatch.setattr(parallel, "_FEW", 4)
    monkeypatch.setattr(ahead, "FROM", 4)
    for number in range(8):
        draw(f"photos/{'cat' if number % 2 else 'dog'}/{number}.png", colour=(30 * number, 9, 9))
    draw("photos/cat/.trash/old.png")
    (tmp_path / "photos" / "cat" / "about.txt").write_text("cats")
    return sorted(path.relative_to(tmp_path) for path in (tmp_path / "photos").glob("*/*.png"))


def read(root: str, cache: Path | None = None, nothing: bool = False) -> dict[str, Read]:
    """What is read ahead, all of it in one batch."""
    begun = Path("begun")

    def read_and_say_so(names: Sequence[str]) -> list[Read]:
        begun.touch()
        return fingerprinted(names)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ahead, "fingerprinted", read_and_say_so)
        with reading_ahead(root, cache) as early:
            if not nothing:
                wait_for(begun)
                begun.unlink()
            return early()


@pytest.mark.parametrize("root", ["photos", "./photos/", "."])
def test_what_was_read_ahead_is_found_by_the_names_that_the_folder_gives_and_not_read_again(
    root: str, images: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    early = read(root)
    found = [image.path for images in find(root).images.values() for image in images]
    assert sorted(map(str, found)) == sorted(early) == sorted(map(str, images))
    alone = fingerprints(found)
    monkeypatch.setattr(index, "fingerprinted", None)
    assert fingerprints(found, early=early) == alone


def test_what_was_read_ahead_is_kept_and_a_known_folder_is_not_read_ahead(
    images: list[Path], tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    fingerprints(images, cache, early=read("photos", cache))
    assert read("photos", cache, nothing=True) == {}
    assert len(read("photos", tmp_path / "other cache")) == len(images)


@pytest.mark.parametrize("root", ["photos/cat/about.txt", "gone", "photos/cat"])
def test_nothing_is_read_ahead_of_what_is_no_folder_or_a_small_one(root: str, images: list[Path]) -> None:
    assert read(root, nothing=True) == {}


def test_what_has_changed_since_it_was_read_ahead_is_read_again_next_time(
    images: list[Path], draw: Draw, tmp_path: Path
) -> None:
    early = read("photos")
    draw(str(images[0]), size=(50, 60))
    fingerprints(images, tmp_path / "cache", early=early)
    assert fingerprints(images, tmp_path / "cache")[images[0]].width == 50
