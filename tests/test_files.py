"""Files are written completely or not at all, and a place that takes none is refused before the work."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from visionlora.adapters import LoraConfig, attach, save_adapter
from visionlora.errors import MachineFault, VisionLoraError
from visionlora.files import (
    cannot_use,
    read_json,
    remove_unfinished,
    replacing,
    require_writable,
    write_json,
)
from visionlora.paths import cache_directory, new_folder, with_home

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


@pytest.mark.parametrize(
    ("mark", "name", "said"),
    [
        ("adapter_config.json", "adapter_model.safetensors", "is a file of an adapter"),
        ("config.yaml", "metrics.json", "is a file of a run"),
        ("config.yaml", "file", "is the file that is read"),
    ],
)
def test_no_output_replaces_a_file_of_a_run_or_an_adapter_or_what_is_read(
    place: Path, mark: str, name: str, said: str
) -> None:
    require_writable(place / name, "output", "imagenet", str(place / "folder"), None)
    (place / mark).touch()
    with pytest.raises(VisionLoraError, match=f"output: .*{name} {said}"):
        require_writable(place / name, "output", str(place / "folder" / ".." / "file"))


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


def test_folders_that_were_made_for_a_file_that_fails_are_removed(place: Path) -> None:
    with pytest.raises(ZeroDivisionError), replacing(place / "folder" / "new" / "newer" / "out.csv"):
        raise ZeroDivisionError
    assert sorted(path.name for path in place.rglob("*")) == ["file", "folder"]


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


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = (
        shutil.which("mount")
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], capture_output=True
        ).returncode
    )
    if not mounted:
        pytest.skip("a small disk can't be mounted here: that needs root")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def write_text(path: Path) -> None:
    with replacing(path) as beside:
        beside.write_text("x" * 2**20)


def write_tensors(path: Path) -> None:
    with replacing(path) as beside:
        save_file({"x": torch.zeros(2**18)}, beside)


def write_pytorch(path: Path) -> None:
    with replacing(path) as beside:
        torch.save({"x": torch.zeros(2**18)}, beside)


def write_image(path: Path) -> None:
    with replacing(path) as beside:
        Image.effect_noise((1000, 1000), 50).save(beside, "PNG")


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Inside, no file can be larger."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limit[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)


@pytest.mark.parametrize("write", [write_text, write_tensors, write_pytorch, write_image])
def test_on_a_full_disk_the_old_file_stays_and_the_fault_is_the_machines(
    small_disk: Path, write: Callable[[Path], None]
) -> None:
    (small_disk / "file").write_text("kept")
    with pytest.raises(MachineFault, match=r"file cannot be written: No space left on device; free some"):
        write(small_disk / "file")
    assert (small_disk / "file").read_text() == "kept"
    assert [path.name for path in small_disk.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("write", "said"),
    [(write_text, "File too large"), (write_pytorch, "file cannot be written: Input/output")],
)
def test_a_file_above_the_systems_limit_is_a_fault_of_the_machine(
    place: Path, write: Callable[[Path], None], said: str
) -> None:
    with largest_file(2**16), pytest.raises(MachineFault, match=said):
        write(place / "file")
    assert (place / "file").read_text() == "kept"


@pytest.mark.parametrize(
    ("most", "name"), [(2**12, "adapter_model.safetensors"), (2**15, "adapter_config.json")]
)
def test_an_adapter_that_cannot_be_written_names_its_file_and_leaves_no_folder(
    tmp_path: Path, most: int, name: str
) -> None:
    network = attach(nn.Sequential(nn.Linear(100, 50)), LoraConfig(rank=8))
    with largest_file(most), pytest.raises(MachineFault, match=f"{name} cannot be written: File too large"):
        save_adapter(network, tmp_path / "runs" / "adapter", extra={"long": "x" * 2**16})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("number", "advised"), [(errno.ENOSPC, True), (errno.EROFS, False)])
def test_space_is_to_be_freed_only_where_none_is_left(number: int, advised: bool) -> None:
    fault = cannot_use(OSError(number, os.strerror(number), "x"))
    assert isinstance(fault, MachineFault)
    assert ("free some space" in str(fault)) == advised
    assert "name another folder" in str(fault)


def test_files_have_the_mode_that_the_users_mask_gives(place: Path) -> None:
    before = os.umask(0o022)
    try:
        write_tensors(place / "weights.safetensors")
    finally:
        os.umask(before)
    assert (place / "weights.safetensors").stat().st_mode & 0o777 == 0o644


def test_a_defect_while_writing_is_no_full_disk(place: Path) -> None:
    with pytest.raises(RuntimeError, match="a defect"), replacing(place / "file"):
        raise RuntimeError("a defect")


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000, "\0", '{"x": 1' + "0" * 5000 + "}"])
def test_what_is_no_json_is_refused(place: Path, content: str) -> None:
    (place / "file").write_text(content)
    with pytest.raises(VisionLoraError, match="is not JSON"):
        read_json(place / "file")


def test_a_durable_file_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named: list[bool] = []
    monkeypatch.setattr("os.fsync", lambda descriptor: named.append((tmp_path / "file").exists()))
    with replacing(tmp_path / "file", durable=True) as beside:
        beside.write_text("content")
    assert named == [False, True]  # the file, then the folder's list of names


@pytest.mark.parametrize(("number", "refused"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_a_file_system_that_cannot_flush_is_used_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, refused: bool
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("os.fsync", fail)
    expected = pytest.raises(VisionLoraError) if refused else nullcontext()
    with expected, replacing(tmp_path / "file", durable=True) as beside:
        beside.write_text("content")
    assert (tmp_path / "file").exists() != refused


def test_what_a_killed_process_was_writing_is_removed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "adapter").mkdir()
    for name in (".config.yaml.0123abcd.tmp", "adapter/.adapter_model.safetensors.00000000.tmp"):
        (tmp_path / name).touch()
    for name in (".hidden.tmp", "mine.tmp", ".config.yaml.0123abcd"):
        (tmp_path / name).touch()
    remove_unfinished(tmp_path)
    left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {".hidden.tmp", "mine.tmp", ".config.yaml.0123abcd"}


def test_a_new_folder_is_nobody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "outputs" / "12-00-00")
    assert [new_folder(path) for _ in range(3)] == [path, f"{path}_2", f"{path}_3"]
    (tmp_path / "file").touch()
    assert new_folder(f"{tmp_path}/file/run") == f"{tmp_path}/file/run", "whoever uses it says why"
    monkeypatch.setenv("RANK", "1")
    for name, value in (("WORLD_SIZE", "2"), ("LOCAL_RANK", "1"), ("LOCAL_WORLD_SIZE", "2")):
        monkeypatch.setenv(name, value)
    assert new_folder(path) == path, "processes that start together share one"


def test_without_a_home_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VISIONLORA_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: os.fspath(path))
    assert cache_directory() is None
    assert with_home("~nobody-here/x") == Path("~nobody-here/x")
