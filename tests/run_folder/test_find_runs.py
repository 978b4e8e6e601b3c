"""Runs are found wherever they lie, and compared by what differs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Left, Trained
from visionlora.errors import VisionLoraError
from visionlora.run_folder.find_runs import find_runs, varied_options
from visionlora.settings import keys_of
from visionlora.training.config import RunConfig


def write_run(folder: Path, config: str) -> None:
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(config)
    (folder / "run.json").write_text("{}")


def test_runs_are_found_at_any_depth_and_folds_belong_to_theirs(tmp_path: Path) -> None:
    write_run(tmp_path / "goldfish" / "vgg19" / "a", "lora: {rank: 4}\n")
    write_run(tmp_path / "goldfish" / "vgg19" / "a" / "folds" / "1", "lora: {rank: 4}\n")
    write_run(tmp_path / "b", "lora: {rank: 8}\n")
    (tmp_path / "no_run").mkdir()
    assert [run.path.name for run in find_runs(tmp_path)] == ["b", "a"]


def test_only_what_differs_is_named(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "seed: 0\nlora: {rank: 4, rank_pattern: {head: 2}}\nmodel: {name: vgg19}\n")
    write_run(tmp_path / "b", "seed: 0\nlora: {rank: 8, rank_pattern: {}}\nmodel: {name: vgg19}\n")
    assert varied_options(find_runs(tmp_path), {}) == [
        {"lora.rank": "4", "lora.rank_pattern": "{head: 2}"},
        {"lora.rank": "8", "lora.rank_pattern": "{}"},
    ]


def test_long_values_that_differ_in_the_middle_are_a_difference(tmp_path: Path) -> None:
    ranks = {f"features.{place}": 8 for place in range(30)}
    for name, rank in (("a", 8), ("b", 4)):
        write_run(tmp_path / name, json.dumps({"lora": {"rank_pattern": ranks | {"features.14": rank}}}))
    one, other = varied_options(find_runs(tmp_path), {})
    assert "features.14: 8" in one["lora.rank_pattern"] and "features.14: 4" in other["lora.rank_pattern"]


def test_a_folder_that_is_written_relative_and_whole_is_no_difference(tmp_path: Path) -> None:
    for name, start in (("a", ""), ("b", f"{tmp_path}/")):
        paths = f"data: {{root: {start}images, contrast: {name}}}\nretention: {{anchors: [{start}old]}}\n"
        write_run(tmp_path / name, paths)
        (tmp_path / name / "run.json").write_text(json.dumps({"directory": str(tmp_path)}))
    varied = varied_options(find_runs(tmp_path), keys_of(RunConfig))
    assert varied == [{"data.contrast": "a"}, {"data.contrast": "b"}]


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VisionLoraError, match="holds no run"):
        find_runs(tmp_path)
    with pytest.raises(VisionLoraError, match="there is no folder"):
        find_runs(tmp_path / "nowhere")


def test_runs_without_figures_are_named_and_the_others_are_listed(
    command: Callable[..., Left], tmp_path: Path
) -> None:
    write_run(tmp_path / "runs" / "stopped", "lora: {rank: 4}\n")
    write_run(tmp_path / "runs" / "broken", "lora: [\n")
    write_run(tmp_path / "runs" / "strange", "lora: {rank: 4}\n")
    (tmp_path / "runs" / "strange" / "metrics.json").write_text('{"after": 3}')
    left = command("runs", "runs")
    assert left.code == 3, left.err
    assert "stopped is not finished; to continue it: visionlora train resume=runs/stopped" in left.out
    assert "config.yaml cannot be read" in left.err
    assert "metrics.json lacks figures" in left.err


def test_runs_are_compared_with_those_that_the_table_shows(
    trained: Trained, command: Callable[..., Left], tmp_path: Path
) -> None:
    for name in ("0", "1"):
        shutil.copytree(trained.run, tmp_path / "runs" / name)
    write_run(tmp_path / "runs" / "stopped", "seed: 7\n")
    shown = command("runs", "runs").out
    assert "stopped is not finished" in shown and "seed=" not in shown


def test_a_run_is_called_after_its_folder_in_that_folder_too(
    trained: Trained, command: Callable[..., Left], tmp_path: Path
) -> None:
    shutil.copytree(trained.run, tmp_path, dirs_exist_ok=True)
    assert f"\n{tmp_path.name[:10]}" in command("runs", ".").out
