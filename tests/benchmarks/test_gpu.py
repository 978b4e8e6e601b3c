"""The benchmark of a GPU where there is none: it says so, and what it would run is understood."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import gpu, step_time


def test_without_a_gpu_it_is_skipped_with_a_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert gpu.main(["--results", str(tmp_path / "RESULTS.md")]) == 0
    assert "skipped: PyTorch sees no CUDA GPU here" in capsys.readouterr().out
    assert not (tmp_path / "RESULTS.md").exists()


@pytest.mark.parametrize("mode", ["eager", "compiled"])
def test_the_step_benchmark_takes_its_arguments(mode: str) -> None:
    options = step_time._parser().parse_args(gpu.step_arguments(mode, gpu._parser().parse_args([])))
    (sweep,) = step_time.sweeps(options)
    assert {setting.network for setting in sweep.settings} == set(gpu.NETWORKS)
    assert {setting.precision for setting in sweep.settings} == {"float32", "tf32", "bfloat16"}
    assert {(one.batch, one.device, one.compiled) for one in sweep.settings} == {
        (32, "cuda", mode == "compiled")
    }


def test_the_job_is_timed_and_its_figures_are_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[list[str]] = []
    figures = {
        "after": {"val/top1": 0.9}, "retention": {"before/top1": 0.8, "after/top1": 0.79},
        "precision": "bf16-mixed", "time": {"step_ms": 12.5},
    }  # fmt: skip
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("benchmarks.gpu.step_time.main", lambda words: asked.append(words) or 0)
    monkeypatch.setattr("benchmarks.results.machine", lambda: {"GPU": "none"})
    monkeypatch.setattr("benchmarks.gpu.goldfish_job", lambda: (41.2, figures))
    path = tmp_path / "RESULTS.md"
    path.write_text("# Results\n")
    assert gpu.main(["--results", str(path)]) == 0
    assert len(asked) == 2 and "--compile" in asked[1] and "--compile" not in asked[0]
    assert "41.2 s from the command to the result, top-1 0.900" in path.read_text()
