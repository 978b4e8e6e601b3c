"""Files are written completely or not at all, and a place that takes none is refused before the work."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from visionlora.errors import VisionLoraError
from visionlora.files import replacing, require_writable, write_json

PLACES = {
    "a folder": ("folder", "is a folder"),
    "below a file": ("file/out.csv", "Not a directory"),
    "a name of 300 characters": (f"{'x' * 300}.csv", "name too long"),
    "a folder name of 300 characters": (f"{'x' * 300}/out.csv", "name too long"),
    "a folder that takes no files": ("/proc/out.csv", "cannot be written"),
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder that holds a file and a folder."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("kept")
    return tmp_path


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="no /proc")
@pytest.mark.parametrize(("name", "reason"), PLACES.values(), ids=PLACES)
def test_a_place_that_takes_no_file_is_refused_before_and_while_writing(
    place: Path, name: str, reason: str
) -> None:
    with pytest.raises(VisionLoraError, match=reason) as refused:
        require_writable(place / name, "output")
    assert str(refused.value).startswith("output: ")
    with pytest.raises(VisionLoraError, match="cannot be written"), replacing(place / name):
        raise AssertionError("the work was done")
    assert sorted(path.name for path in place.iterdir()) == ["file", "folder"]


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_refused(place: Path) -> None:
    (place / "folder").chmod(0o500)
    with pytest.raises(VisionLoraError, match="Permission denied"):
        require_writable(place / "folder" / "out.csv", "output")


@pytest.mark.parametrize("name", ["new/folders/out.csv", "file", f"{'金' * 83}.csv", "K\udce4fer.csv"])
def test_checking_a_place_makes_and_changes_nothing(place: Path, name: str) -> None:
    require_writable(place / name, "output")
    assert sorted(path.name for path in place.iterdir()) == ["file", "folder"]
    assert (place / "file").read_text() == "kept"


@pytest.mark.parametrize("name", ["new/folders/out.csv", "file", f"{'金' * 83}.csv", "K\udce4fer.csv"])
def test_a_file_of_any_name_is_written(place: Path, name: str) -> None:
    with replacing(place / name) as beside:
        beside.write_text("new")
    assert (place / name).read_text() == "new"
    assert not list(place.rglob("*.tmp"))


def test_an_error_while_writing_keeps_the_old_file(place: Path) -> None:
    with pytest.raises(ZeroDivisionError), replacing(place / "file") as beside:
        beside.write_text("half")
        raise ZeroDivisionError
    assert (place / "file").read_text() == "kept"
    assert not list(place.rglob("*.tmp"))


def test_an_error_about_another_file_is_not_reported_as_one_about_the_output(place: Path) -> None:
    with pytest.raises(FileNotFoundError), replacing(place / "out.csv"):
        (place / "missing").read_text()


@given(st.binary())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_json_gives_back_the_bytes_of_every_file_name(tmp_path: Path, name: bytes) -> None:
    text = name.decode("utf-8", "surrogateescape")
    write_json(tmp_path / "names.json", {text: [text]})
    ((key, values),) = json.loads((tmp_path / "names.json").read_text(encoding="utf-8")).items()
    assert key.encode("utf-8", "surrogateescape") == values[0].encode("utf-8", "surrogateescape") == name
