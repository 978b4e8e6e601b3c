"""Trainings wait for one another, survive the studio, and can be stopped, continued and thrown away."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from visionlora.errors import VisionLoraError
from visionlora.files import write_json
from visionlora.run_folder.lock import claimed
from visionlora.studio.job import END, LOG
from visionlora.studio.jobs import Jobs, new_id


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Jobs:
    found = Jobs(tmp_path)
    monkeypatch.setattr(found, "start_next", lambda: None)
    return found


@pytest.mark.parametrize(
    ("code", "state"), [(0, "finished"), (143, "stopped"), (130, "stopped"), (2, "failed"), (137, "failed")]
)
def test_the_exit_code_of_a_training_is_its_state(jobs: Jobs, code: int, state: str) -> None:
    job = jobs.add(new_id(), "p", "fish", ["data.root=x"])
    assert jobs.state(job.id) == "queued"
    write_json(jobs.folder(job.id) / END, {"code": code})
    assert jobs.state(job.id) == state


def test_a_training_that_another_studio_started_is_found_running(jobs: Jobs) -> None:
    job = jobs.add(new_id(), "p", "fish", [])
    (jobs.folder(job.id) / LOG).touch()
    with claimed(jobs.folder(job.id)):
        assert jobs.state(job.id) == "running"
    assert jobs.state(job.id) == "interrupted", "its process was killed before it could say how it ended"


def test_why_a_training_failed_is_its_last_error(jobs: Jobs) -> None:
    job = jobs.add(new_id(), "p", "fish", [])
    (jobs.folder(job.id) / LOG).write_text("found 3 images\nerror: there is no class x\nmore\n")
    write_json(jobs.folder(job.id) / END, {"code": 2})
    assert jobs.describe(job)["error"] == "there is no class x"


def test_a_waiting_training_is_taken_out_of_the_queue(jobs: Jobs) -> None:
    job = jobs.add(new_id(), "p", "fish", [])
    jobs.cancel(job.id)
    assert jobs.state(job.id) == "stopped"
    with pytest.raises(VisionLoraError, match="has ended"):
        jobs.cancel(job.id)


def test_a_stopped_training_continues_in_its_own_folder(jobs: Jobs) -> None:
    job = jobs.add(new_id(), "p", "fish", ["data.root=x"])
    write_json(jobs.folder(job.id) / END, {"code": 143})
    with pytest.raises(VisionLoraError, match="nothing to continue"):
        jobs.resume(job.id)
    jobs.run(job.id).mkdir(parents=True)
    (jobs.run(job.id) / "config.yaml").touch()
    jobs.resume(job.id)
    assert jobs.get(job.id).arguments == [f"resume={jobs.run(job.id)}"]
    assert jobs.state(job.id) == "queued"


def test_a_deleted_training_is_in_the_bin(jobs: Jobs, tmp_path: Path) -> None:
    job = jobs.add(new_id(), "p", "fish", [])
    (jobs.run(job.id) / "adapter").mkdir(parents=True)
    jobs.delete(job.id)
    assert jobs.all() == []
    (gone,) = (tmp_path / "bin").iterdir()
    assert (gone / "adapter").is_dir()


@dataclass
class Process:
    """Stands for a job's process; it ends when the job that it is told of has ended."""

    words: list[str]
    jobs: list[str] = field(default_factory=list)
    pid: int = 1
    code: int | None = None

    @property
    def stdin(self) -> Process:
        return self

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *error: object) -> None: ...

    def write(self, line: bytes) -> None:
        self.jobs.append(Path(json.loads(line)).name)
        self.folder = Path(json.loads(line))

    def close(self) -> None:
        self.code = 0

    def poll(self) -> int | None:
        return 0 if self.jobs and (self.folder / END).exists() else self.code


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[Process]:
    made: list[Process] = []

    def started(words: list[str], **options: object) -> Process:
        made.append(Process(words))
        return made[-1]

    monkeypatch.setattr("visionlora.studio.jobs.subprocess.Popen", started)
    return made


def go_on(jobs: Jobs, until: Callable[[], bool]) -> None:
    """Let the queue run until something is so."""
    thread = threading.Thread(target=jobs.keep_going, args=(0.001,))
    thread.start()
    give_up = time.monotonic() + 10
    while not until() and time.monotonic() < give_up:
        time.sleep(0.001)
    time.sleep(0.02)
    jobs.close()
    thread.join()


def test_the_one_that_waits_longest_comes_next(jobs: Jobs, processes: list[Process]) -> None:
    first, second = (jobs.add(new_id(), "p", name, []) for name in ("one", "two"))
    assert Jobs.start_next(jobs)
    assert Jobs.start_next(jobs)
    assert [one.jobs for one in processes] == [[first.id]], "one at a time"
    write_json(jobs.folder(first.id) / END, {"code": 0})
    assert Jobs.start_next(jobs)
    assert [one.jobs for one in processes] == [[first.id], [second.id]]


def test_one_process_is_ready_before_there_is_a_training_and_the_next_one_takes_it(
    tmp_path: Path, processes: list[Process]
) -> None:
    jobs = Jobs(tmp_path)
    go_on(jobs, lambda: len(processes) == 1)
    assert [(one.jobs, one.code) for one in processes] == [([], 0)], "one alone, and it ends with the studio"
    processes[0].code = None
    first = jobs.add(new_id(), "p", "one", [])
    second = jobs.add(new_id(), "p", "two", [])
    assert [one.jobs for one in processes] == [[first.id]], "none is started beside a training"
    write_json(jobs.folder(first.id) / END, {"code": 0})
    assert jobs.start_next()
    assert [one.jobs for one in processes] == [[first.id], [second.id]]


def test_a_process_that_was_ready_and_died_is_replaced(tmp_path: Path, processes: list[Process]) -> None:
    jobs = Jobs(tmp_path)
    go_on(jobs, lambda: len(processes) == 1)
    job = jobs.add(new_id(), "p", "one", [])
    assert [one.jobs for one in processes] == [[], [job.id]]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children of a process are read in /proc")
def test_a_process_that_is_ready_ends_with_its_studio_and_leaves_none(tmp_path: Path) -> None:
    ready = subprocess.Popen([sys.executable, "-m", "visionlora.studio.job"], stdin=subprocess.PIPE)
    children = Path(f"/proc/{ready.pid}/task/{ready.pid}/children")
    give_up = time.monotonic() + 60
    while not (found := children.read_text().split()) and time.monotonic() < give_up:
        time.sleep(0.02)
    (training,) = found
    assert ready.stdin is not None
    ready.stdin.close()  # as the system does when the studio is killed
    assert ready.wait(60) == 0
    while Path(f"/proc/{training}").exists() and time.monotonic() < give_up:
        time.sleep(0.02)
    assert not Path(f"/proc/{training}").exists()


@pytest.mark.slow
def test_the_error_of_a_training_that_was_told_late_is_in_its_log(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    job = jobs.add(new_id(), "p", "fish", [f"data.root={tmp_path / 'nothing'}"])
    while jobs.state(job.id) in ("queued", "running"):
        time.sleep(0.1)
    assert jobs.state(job.id) == "failed"
    assert "there is no folder" in jobs.error(job.id)
