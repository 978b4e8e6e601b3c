"""Images are read while a command starts and looks through their folder."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conftest import Draw
from tests.data.files.test_parallel import wait_for
from visionlora.cli import main, reading_for
from visionlora.data import ahead
from visionlora.data.ahead import read_early, reading_ahead
from visionlora.data.files import parallel
from visionlora.data.images.fingerprint import Read, fingerprinted
from visionlora.data.index import fingerprints as index
from visionlora.data.index.fingerprints import fingerprints
from visionlora.data.layout.folders import find

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")


@pytest.fixture
def images(monkeypatch: pytest.MonkeyPatch, draw: Draw, tmp_path: Path) -> list[Path]:
    """Two classes in the working folder, of more images than are read by one process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VISIONLORA_CACHE", "")
    monkeypatch.setattr(parallel, "_can_fork", lambda: True)
    monkeypatch.setattr(parallel, "_cores", lambda: 2)
    monkeypatch.setattr(parallel, "_FEW", 4)
    monkeypatch.setattr(ahead, "FROM", 4)
    for number in range(8):
        draw(f"photos/{'cat' if number % 2 else 'dog'}/{number}.png", colour=(30 * number, 9, 9))
    draw("photos/cat/.trash/old.png")
    (tmp_path / "photos" / "cat" / "about.txt").write_text("cats")
    return sorted(path.relative_to(tmp_path) for path in (tmp_path / "photos").glob("*/*.png"))


def read(root: str, nothing: bool = False) -> dict[str, Read]:
    """What is read ahead before anybody asks, all of it in one batch."""
    begun = Path("begun")

    def read_and_say_so(names: Sequence[str]) -> list[Read]:
        begun.touch()
        return fingerprinted(names)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ahead, "fingerprinted", read_and_say_so)
        with reading_ahead(root):
            if not nothing:
                wait_for(begun)
                begun.unlink()
            found = list(read_early(root)(()))
    return {name: one for names, made in found for name, one in zip(names, made, strict=True)}


@pytest.mark.parametrize("root", ["photos", "./photos/", "."])
def test_what_was_read_ahead_is_found_by_the_names_that_the_folder_gives_and_not_read_again(
    root: str, images: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [image.path for images in find(root).images.values() for image in images]
    assert sorted(map(str, found)) == sorted(read(root)) == sorted(map(str, images))
    alone = fingerprints(found)
    with reading_ahead(root):
        monkeypatch.setattr(index, "fingerprinted", None)
        assert fingerprints(found, early=read_early(root)) == alone


def test_what_was_read_ahead_and_is_not_wanted_is_left_out(images: list[Path]) -> None:
    with reading_ahead("photos"):
        found = fingerprints(images[:3], early=read_early("photos"))
    assert found == fingerprints(images[:3])


def test_another_folder_than_the_one_that_is_read_ahead_is_none_of_its(images: list[Path]) -> None:
    with reading_ahead("photos"):
        assert list(read_early("./photos")(())) == []
    assert list(read_early("photos")(())) == []


def test_what_was_read_ahead_is_kept_and_a_known_folder_is_not_read_ahead(
    images: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISIONLORA_CACHE", str(tmp_path / "cache"))
    with reading_ahead("photos"):
        fingerprints(images, tmp_path / "cache", early=read_early("photos"))
    assert read("photos", nothing=True) == {}
    monkeypatch.setenv("VISIONLORA_CACHE", str(tmp_path / "other cache"))
    assert len(read("photos")) == len(images)


@pytest.mark.parametrize("root", ["photos/cat/about.txt", "gone", "photos/cat", "https://host/photos"])
def test_nothing_is_read_ahead_of_what_is_no_folder_or_a_small_one(root: str, images: list[Path]) -> None:
    assert read(root, nothing=True) == {}


def test_what_has_changed_since_it_was_read_ahead_is_read_again_next_time(
    images: list[Path], draw: Draw, tmp_path: Path
) -> None:
    early = read("photos")
    draw(str(images[0]), size=(50, 60))
    fingerprints(images, tmp_path / "cache", early=lambda wanted: iter([([*early], [*early.values()])]))
    assert fingerprints(images, tmp_path / "cache")[images[0]].width == 50


def test_the_command_reads_the_folder_of_its_command_line_before_it_starts(
    images: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["visionlora", "check", "data.root=photos", "strays=false"])
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as end:
        patch.setattr(index, "in_batches", lambda work, items: pytest.fail("read again") if items else ())
        main()
    assert end.value.code == 0
    assert f"{len(images)} (train" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("train", ["data.root=photos"]), ("check", []), ("check", ["--help"]),
        ("check", ["data.root=photos", "data.root=cats"]),
    ],
)  # fmt: skip
def test_nothing_is_read_for_other_commands_and_where_no_folder_is_named(
    name: str, words: list[str], images: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "reading_ahead", None)
    with reading_for(name, words):
        pass
