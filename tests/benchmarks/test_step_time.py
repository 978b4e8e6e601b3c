from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import contenders, ready, step_time, timing, worker
from benchmarks.results import replace_section, write_section
from benchmarks.table import cells
from benchmarks.timing import Row
from visionlora.errors import VisionLoraError


def in_a_thread(function: Callable[..., Any], connection: Connection, *arguments: Any) -> Thread:
    thread = Thread(target=function, args=(Connection(os.dup(connection.fileno())), *arguments))
    thread.start()
    return thread


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """The command on a small network, in this process; what its JSON says."""
    monkeypatch.setattr(worker, "start", in_a_thread)
    # A worker collects garbage before each step; here that would be all of this process's.
    for module in (worker, timing):
        monkeypatch.setattr(module, "gc", SimpleNamespace(collect=lambda: 0))
    monkeypatch.setattr(step_time, "machine", lambda: {"CPU": "a test's"})

    def command(*arguments: str) -> dict[str, Any]:
        figures, report = tmp_path / "figures.json", tmp_path / "RESULTS.md"
        small = [
            "--networks",
            "squeezenet1_1",
            "--size",
            "32",
            "--steps",
            "7",
            "--warmup",
            "1",
            "--no-memory",
        ]
        step_time.main([*small, *arguments, "--json", str(figures), "--results", str(report)])
        return json.loads(figures.read_text())

    return command


def test_the_json_has_what_the_table_shows(run: Callable[..., Any], tmp_path: Path) -> None:
    told = run("--batch", "1", "--contenders", "floor", "ours", "loralib")
    rows = [Row(**row) for row in told["results"][0]["contenders"]]
    report = (tmp_path / "RESULTS.md").read_text()
    for row in rows:
        assert row.status == "ok" and len(row.times) == 7
        assert "| " + " | ".join(cells(row)) + " |" in report
    assert rows[0].ratio == 1 and rows[1].ratio is not None and rows[1].layers == 26
    assert told["command"] in report


def test_freed_memory_is_kept_on_request_and_the_table_says_so(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[None] = []
    monkeypatch.setattr(timing, "keep_freed_memory", lambda: calls.append(None) or True)
    run("--batch", "1", "--contenders", "floor")
    assert not calls
    told = run("--batch", "1", "--contenders", "floor", "--reuse-memory")
    assert calls and told["results"][0]["setting"]["reuse_memory"]
    assert "keeps the memory that it frees" in (tmp_path / "RESULTS.md").read_text()


def test_running_again_replaces_the_section(run: Callable[..., Any], tmp_path: Path) -> None:
    for rank in ("1", "3"):
        run("--batch", "1", "--rank", rank, "--contenders", "floor")
    report = (tmp_path / "RESULTS.md").read_text()
    assert report.count("## CPU, eager") == 1
    assert "rank 3" in report and "rank 1" not in report


def test_a_sweep_writes_a_table_and_an_image(run: Callable[..., Any], tmp_path: Path) -> None:
    told = run("--sweep-rank", "1,2", "--batch", "1", "--contenders", "floor", "ours")
    assert [result["setting"]["rank"] for result in told["results"]] == [1, 2]
    floors = [result["contenders"][0]["times"] for result in told["results"]]
    assert floors[0] == floors[1], "all ranks take steps in the same rounds"
    assert (tmp_path / "step_time_cpu_rank.png").stat().st_size > 1000
    assert "| rank | floor | ours |" in (tmp_path / "RESULTS.md").read_text()


def test_a_contender_that_is_not_installed_is_reported(
    run: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    absent = dataclasses.replace(ready.by_name("PEFT"), package="not_a_package_of_this_world")
    others = tuple(c for c in contenders.CONTENDERS if c.name != "PEFT")
    monkeypatch.setattr(ready, "EVERY", (*others, absent))
    told = run("--batch", "1", "--contenders", "floor", "PEFT")
    assert told["results"][0]["contenders"][1]["status"] == "not installed"
    assert "| PEFT | not installed |" in (tmp_path / "RESULTS.md").read_text()
    assert "PEFT is not installed" in capsys.readouterr().out


def test_a_contender_that_fails_has_a_row_with_the_reason(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise ValueError("out of luck")

    failing = contenders.Contender("PEFT", broken)
    others = tuple(c for c in contenders.CONTENDERS if c.name != "PEFT")
    monkeypatch.setattr(ready, "EVERY", (*others, failing))
    rows = run("--batch", "1", "--contenders", "floor", "PEFT")["results"][0]["contenders"]
    assert rows[0]["status"] == "ok" and len(rows[0]["times"]) == 7
    assert rows[1]["status"] == "failed: ValueError: out of luck" and rows[1]["median"] is None


def test_the_reason_of_a_failure_is_read_after_the_process_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[Thread] = []

    def start(*arguments: Any) -> Thread:
        threads.append(in_a_thread(*arguments))
        threads[0].join()
        return threads[0]

    def broken() -> Any:
        raise ValueError("out of luck")

    monkeypatch.setattr(worker, "start", start)
    with pytest.raises(worker.WorkerError, match="out of luck"):
        worker.Worker(broken).call("anything")


def test_ratios_are_those_of_the_same_round() -> None:
    row = Row("x", times=[2.0, 20.0, 6.0])
    row.summarise([1.0, 10.0, 2.0])
    assert row.median == 6 and row.ratio == 2 and row.ratio_quartiles == (2, 2.5)


def test_unmeasured_gpu_sections_name_their_command(tmp_path: Path) -> None:
    report = tmp_path / "RESULTS.md"
    write_section(report, "cpu", "figures")
    assert report.read_text().count("--device cuda") == 2
    write_section(report, "cuda", "GPU figures")
    assert report.read_text().count("--device cuda") == 1


def test_other_sections_and_backslashes_do_not_change() -> None:
    both = replace_section(replace_section("# T\n", "a", "1"), "b", "2")
    assert replace_section(both, "a", r"\1 \g<0>") == both.replace("\n1\n", "\n\\1 \\g<0>\n")


def test_marks_that_do_not_match_are_an_error() -> None:
    with pytest.raises(VisionLoraError, match="correct the file"):
        replace_section("<!-- section:a -->", "a", "1")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--contenders", "pefd"], "PEFT"),
        (["--precision", "tf32"], "GPU only"),
        (["--steps", "3"], "at least 7"),
        (["--sweep-rank", "1,x"], "whole number"),
    ],
)
def test_mistakes_are_reported_in_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        step_time.main(arguments)
    assert left.value.code == 2
    assert said in capsys.readouterr().err.strip().splitlines()[-1]


def test_memory_is_that_of_the_process_itself() -> None:
    assert timing.resident_memory(peak=True) >= timing.resident_memory() > 10_000_000


def test_a_process_that_dies_is_reported() -> None:
    dying = worker.Worker(_death)
    with pytest.raises(worker.WorkerError, match="the process died"):
        dying.call("step")
    dying.close()


def _death() -> Any:
    os._exit(1)
