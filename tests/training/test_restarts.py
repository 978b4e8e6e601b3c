"""Runs whose adapters restart (ReLoRA)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Command, Train, metrics_of
from visionlora.adapters import active_adapters
from visionlora.models.restore import restore


def test_a_run_saves_the_sum_cut_to_its_rank_and_reports_what_it_saves(
    train: Train, command: Command, images: Path, tmp_path: Path
) -> None:
    left, folder = train(
        "lora.restart_every=2", "lora.restart_rank=3", "lora.rank=2", "trainer.max_steps=5",
        "optimizer.lr=0.02", "retention.budget=null", "lora.targets=conv", "lora.exclude=[features.0]",
    )  # fmt: skip
    assert left.code == 0, left.err
    # How many restarts: of the weights that were taken.
    assert "(lora.restart_every): the adapter is" in " ".join((left.err + left.out).split())
    metrics = metrics_of(folder)
    assert any("of its energy" in notice for notice in metrics["notices"])
    adapters = active_adapters(restore(folder).network)
    assert {one.settings.rank for one in adapters} == {3}
    command("evaluate", f"adapter={folder}", f"data.root={images}", "output=e.json")
    measured = json.loads((tmp_path / "e.json").read_text())
    assert measured["top1"] == metrics["after"]["val/top1"]
    assert measured["loss"] == pytest.approx(metrics["after"]["val/loss"], abs=1e-4)


def test_restarts_and_an_earlier_adapter_are_refused_in_one_line(train: Train, tmp_path: Path) -> None:
    left, _ = train("lora.restart_every=2", f"adapter={tmp_path}")
    assert left.code == 2
    assert "lora.restart_every: a sum of restarts can't be added" in left.err
    left, _ = train("lora.restart_every=2", "model.expand=2")  # no adapters that could restart
    assert left.code == 2 and "trains new blocks in their place" in " ".join(left.err.split())


def test_a_run_that_continues_from_a_sum_of_restarts_has_none_itself(train: Train, tmp_path: Path) -> None:
    train("lora.restart_every=2", "retention.weight=0", f"hydra.run.dir={tmp_path / 'first'}")
    left, _ = train(f"adapter={tmp_path / 'first'}", "trainer.max_steps=1")
    assert left.code == 0, left.err
