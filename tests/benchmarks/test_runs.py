"""The benchmarks that time complete training runs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from benchmarks import feature_cache, retention_cost, runs


def test_a_run_returns_its_steps_and_times(tmp_path: Path) -> None:
    options = argparse.Namespace(precision="32-true", threads=1)
    weights = runs.random_weights("squeezenet1_1", tmp_path)
    settings = ["retention.weight=0", "retention.root=null", "contrast.root=null", "data.batch_size=2"]
    left = runs.train(options, "squeezenet1_1", weights, 2, tmp_path / "run", settings)
    assert left["steps"] == 2
    assert left["step_ms"] > 0
    assert left["steps_s"] > 0


@pytest.fixture
def report(tmp_path: Path) -> list[str]:
    """The arguments that name a benchmark's output files."""
    return ["--json", str(tmp_path / "figures.json"), "--results", str(tmp_path / "RESULTS.md")]


def test_the_cost_of_retention_is_the_median_ratio_of_pairs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, report: list[str]
) -> None:
    steps = {"without": iter([100.0, 100.0, 200.0]), "with": iter([120.0, 150.0, 500.0])}

    def train(
        options: object, network: str, weights: Path, count: int, run: Path, settings: Sequence[str]
    ) -> dict[str, float]:
        kind = run.name.rpartition("-")[2]
        assert ("retention.weight=0" in settings) == (kind == "without")
        return {"steps": count, "step_ms": next(steps[kind])}

    monkeypatch.setattr(retention_cost, "train", train)
    assert retention_cost.main(["--networks", "squeezenet1_1", "--pairs", "3", *report]) == 0
    assert "| squeezenet1_1 | 100.0 | 150.0 | 1.50 (1.20-2.50) |" in (tmp_path / "RESULTS.md").read_text()
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["squeezenet1_1"][2] == {"without": 200.0, "with": 500.0}


@pytest.mark.parametrize("difference", [0.0, 0.25])
def test_the_feature_cache_is_compared_with_the_same_run_without_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, report: list[str], difference: float
) -> None:
    def train(
        options: object, network: str, weights: Path, count: int, run: Path, settings: Sequence[str]
    ) -> dict[str, Any]:
        cached = "cache.features=true" in settings
        (run / "adapter").mkdir(parents=True)
        value = torch.tensor([0.5, 0.5 + difference * cached])
        save_file({"lora_A": value}, run / "adapter" / "adapter_model.safetensors")
        return {"steps": count, "step_ms": 10.0 if cached else 800.0, "steps_s": 1.0}

    monkeypatch.setattr(feature_cache, "train", train)
    assert feature_cache.main(["--network", "squeezenet1_1", *report]) == 0
    told = (tmp_path / "RESULTS.md").read_text()
    assert "| with, longer | 120 | 10.0 | 100.00 | 1.0 | 80.0 |" in told
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["largest_difference"] == difference
