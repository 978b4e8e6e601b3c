"""One run at a time writes into a folder."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from visionlora.errors import VisionLoraError
from visionlora.run_folder.lock import LOCK, claimed


def test_a_folder_belongs_to_one_run_and_is_free_afterwards(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "run"
    for _ in range(2):
        with claimed(folder):
            with pytest.raises(VisionLoraError, match="two runs cannot share a folder"), claimed(folder):
                pass
            assert (folder / LOCK).exists()
        assert list(folder.iterdir()) == []


def test_another_process_is_refused_and_told_whose_the_folder_is(tmp_path: Path) -> None:
    with claimed(tmp_path):
        assert in_child(tmp_path) == f"process {os.getpid()}"
    assert in_child(tmp_path) == "claimed"


def test_the_lock_of_a_killed_process_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text("process 1 on nowhere")
    with claimed(tmp_path):
        assert str(os.getpid()) in (tmp_path / LOCK).read_text()


def test_workers_that_outlive_a_run_do_not_keep_its_folder(tmp_path: Path) -> None:
    done, wait = os.pipe()
    with claimed(tmp_path):
        worker = os.fork()
        if worker == 0:
            os.close(wait)
            os.read(done, 1)
            os._exit(0)
    assert in_child(tmp_path) == "claimed"
    os.close(wait)
    os.waitpid(worker, 0)


def in_child(folder: Path) -> str:
    """What another process is told that wants the folder."""
    answer, told = os.pipe()
    child = os.fork()
    if child == 0:
        from visionlora.run_folder import lock

        lock._claimed.clear()  # a new process has none
        try:
            with claimed(folder):
                os.write(told, b"claimed")
        except VisionLoraError as error:
            os.write(told, str(error).partition(" is used by ")[2].partition(" on ")[0].encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(told)
    with os.fdopen(answer) as file:
        return file.read()


@pytest.mark.parametrize(("number", "code"), [(errno.EROFS, 4), (errno.EACCES, 2), (errno.EPERM, 2)])
def test_a_folder_that_takes_no_lock_is_to_be_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number), str(tmp_path / LOCK))

    monkeypatch.setattr("visionlora.run_folder.lock.os.open", refuse)
    with pytest.raises(VisionLoraError, match=f"{os.strerror(number)}; copy the folder") as caught:  # noqa: SIM117
        with claimed(tmp_path):
            pass
    assert caught.value.exit_code == code
    assert LOCK not in str(caught.value)
