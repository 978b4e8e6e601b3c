"""The benchmark of whole jobs: what is timed, and what is shown."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import time_to_result
from benchmarks.time_tasks import Job, make_jobs
from visionlora.errors import VisionLoraError
from visionlora.phases import PHASES


def record(wall: float, learned: float) -> dict[str, Any]:
    return {
        "wall": wall, "core": 2 * wall, "steps": 160, "learned": learned, "lost": 0.25,
        "curve": [[wall / 2, 0.5]],
        "time": {**{f"{phase}_s": 1.0 for phase in PHASES}, "total_s": 7.0},
    }  # fmt: skip


def test_a_process_is_timed_with_its_core_seconds(tmp_path: Path) -> None:
    busy = "import time\nwhile time.process_time() < 0.2: pass"
    wall, core = time_to_result.timed_process([sys.executable, "-c", busy], os.environ, tmp_path / "log.txt")
    assert 0.2 <= core <= wall + 0.1


def test_a_job_that_fails_is_reported_with_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(VisionLoraError, match="no such job"):
        time_to_result.timed_process(
            [sys.executable, "-c", "exit('no such job')"], os.environ, tmp_path / "log.txt"
        )


def test_finished_jobs_are_not_run_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made: list[str] = []

    def run_job(job: Job, contender: str, *arguments: object) -> dict[str, Any]:
        made.append(contender)
        return record(*((40.0, 0.9) if contender == "ours" else (20.0, 0.8)))

    job = Job("one", "One class", "pocket", "imagenet", tmp_path, "keep", (), tmp_path)
    monkeypatch.setattr(time_to_result, "make_jobs", lambda folder, real: {"one": job})
    monkeypatch.setattr(time_to_result, "run_job", run_job)
    arguments = [
        "--contenders", "ours", "classifier only", "--records", str(tmp_path / "time.jsonl"),
        "--results", str(tmp_path / "RESULTS.md"), "--plot", str(tmp_path / "time.png"),
        "--json", str(tmp_path / "time.json"),
    ]  # fmt: skip
    assert time_to_result.main(arguments) == 0
    assert time_to_result.main([*arguments, "--show"]) == 0
    assert time_to_result.main(arguments) == 0
    assert made == ["ours", "classifier only"]
    told = (tmp_path / "RESULTS.md").read_text()
    assert "| ours | 1 | 40 | 80 | 0.900 | 0.250 |  | 160 | 1.0 |" in told
    assert "| 33.0 |" in told, "imports: what the phases leave of the wall time"
    assert (tmp_path / "time.png").read_bytes().startswith(b"\x89PNG")
    assert len(json.loads((tmp_path / "time.json").read_text())["records"]) == 2


def files(folder: str | Path) -> set[Path]:
    return {
        (Path(place) / name).resolve()
        for place, _, names in os.walk(folder, followlinks=True)
        for name in names
    }


def test_held_out_images_are_in_no_folder_of_the_job(tmp_path: Path) -> None:
    from benchmarks.quality_tasks import REAL

    if not (REAL / "ordinary").exists():
        pytest.skip(f"{REAL} is missing: the jobs need real images")
    for job in make_jobs(tmp_path, REAL).values():
        given = {str(job.root), *(one.partition("=")[2].strip("[]") for one in job.settings)}
        used = set().union(*map(files, given))
        held = [folder for folder in (job.new, job.old, job.others) if folder is not None]
        for folder in held:
            assert files(folder), folder
            assert not used & files(folder), job.name
