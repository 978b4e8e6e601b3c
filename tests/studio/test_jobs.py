"""Trainings wait for one another, survive the studio, and can be stopped, continued and thrown away."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from visionlora.errors import VisionLoraError
from visionlora.files import write_json
from visionlora.run_folder.lock import claimed
from visionlora.studio.job import END, FILES, LOG, NAMES
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


def test_why_a_training_failed_names_images_as_people_did(jobs: Jobs) -> None:
    job = jobs.add(new_id(), "p", "fish", [])
    image = jobs.folder(job.id) / FILES / "images" / "0" / "ab12.jpg"
    image.parent.mkdir(parents=True)
    write_json(jobs.folder(job.id) / FILES / NAMES, {"ab12.jpg": "my fish.jpg"})
    (jobs.folder(job.id) / LOG).write_text(
        f"error: 1 image cannot be used ({image}: a damaged JPEG): 1 of 2\n"
    )
    write_json(jobs.folder(job.id) / END, {"code": 2})
    assert jobs.describe(job)["error"] == "1 image cannot be used (my fish.jpg: a damaged JPEG): 1 of 2"


def test_a_waiting_training_is_taken_out_of_the_queue(jobs: Jobs) -> None:
    job = jobs.add(new_id(), "p", "fish", [])
    jobs.cancel(job.id)
    assert jobs.state(job.id) == "stopped"
    with pytest.raises(VisionLoraError, match="has ended"):
        jobs.cancel(job.id)


def test_a_training_that_is_stopped_as_soon_as_it_is_started_is_stopped(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    job = jobs.add(new_id(), "p", "fish", ["data.root=missing"])
    assert jobs.state(job.id) == "running"
    jobs.cancel(job.id)
    deadline = time.monotonic() + 60
    while jobs.state(job.id) == "running" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert jobs.state(job.id) == "stopped"
    assert Jobs(tmp_path).state(job.id) == "stopped", "a studio that starts later does not start it again"


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


@pytest.mark.parametrize("asked", [Jobs.cancel, Jobs.delete, Jobs.resume])
def test_a_training_that_was_deleted_in_another_window_is_said_to_be(
    jobs: Jobs, asked: Callable[[Jobs, str], None]
) -> None:
    job = jobs.add(new_id(), "p", "fish", [])
    jobs.delete(job.id)
    with pytest.raises(VisionLoraError, match="no such training; it may have been deleted"):
        asked(jobs, job.id)
    assert not jobs.folder(job.id).exists()


def test_the_one_that_waits_longest_comes_next(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (jobs.add(new_id(), "p", name, []) for name in ("one", "two"))
    started: list[str] = []

    class Process:
        pid = 1

        def __init__(self, words: list[str], **options: object) -> None:
            started.append(Path(words[-1]).name)

        def poll(self) -> int | None:
            return None if not (jobs.folder(started[-1]) / END).exists() else 0

    monkeypatch.setattr("visionlora.studio.jobs.subprocess.Popen", Process)
    for _ in range(2):
        Jobs.start_next(jobs)
    assert started == [first.id], "one at a time"
    write_json(jobs.folder(first.id) / END, {"code": 0})
    Jobs.start_next(jobs)
    assert started == [first.id, second.id]


def test_a_process_that_dies_before_its_log_has_failed_and_is_not_started_again(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = jobs.add(new_id(), "p", "fish", [])
    started: list[object] = []

    class Dead:
        pid, returncode = 1, 1

        def __init__(self, *words: object, **options: object) -> None:
            started.append(self)

        def poll(self) -> int:
            return 1

    monkeypatch.setattr("visionlora.studio.jobs.subprocess.Popen", Dead)
    for _ in range(3):
        Jobs.start_next(jobs)
    assert len(started) == 1
    assert jobs.state(job.id) == "failed"
    assert "before it could write anything" in jobs.describe(job)["error"]
