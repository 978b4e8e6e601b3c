"""``evaluate rank_curve=true``: what is left of an adapter at each rank."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.conftest import Command, Trained
from visionlora.adapters import LoraConfig, attach
from visionlora.adapters.truncate import decompose_updates
from visionlora.evaluation.predictions import predict_batches
from visionlora.evaluation.rank_curve import measure_rank_curve


def test_the_smallest_rank_is_that_of_the_update_which_classifies() -> None:
    # Five classes that only an update of rank 5 tells apart; the rest of it is far smaller.
    network = attach(nn.Linear(8, 6), LoraConfig(family="full"))
    with torch.no_grad():
        network.base_weight.zero_()
        network.bias.copy_(torch.tensor([1e-3, 0, 0, 0, 0, 0]))  # what no update tells apart is the first
        (adapter,) = network.active_adapters()
        adapter.difference.copy_(torch.diag(torch.tensor([9.0, 8, 7, 6, 5, 0.01]))[:, [*range(6), 5, 5]])
    batches = [{"images": torch.eye(8)[:5], "labels": torch.arange(5)}]
    updates = decompose_updates(network)
    known = predict_batches(network, batches)
    curve = measure_rank_curve(network, updates, batches, batches, known)
    assert curve["smallest_rank"] == 5
    assert [(one["rank"], round(one["top1"], 6)) for one in curve["curve"]] == [
        (0, 0.2), (1, 0.2), (2, 0.4), (4, 0.8), (5, 1.0), (6, 1.0)
    ]  # fmt: skip
    # 230 of 255 are at least 90 %.
    assert curve["smallest_rank_by_energy"] == 4
    assert curve["curve"][0]["lost"] == pytest.approx(0.8) and curve["curve"][-1]["lost"] == 0.0


def test_an_adapter_that_learned_nothing_has_no_smallest_rank() -> None:
    network = attach(nn.Linear(4, 3), LoraConfig(rank=2))
    batches = [{"images": torch.randn(4, 4), "labels": torch.tensor([0, 1, 2, 0])}]
    curve = measure_rank_curve(network, decompose_updates(network), batches, None, None)
    assert curve["smallest_rank"] == "not measured"
    assert [one["rank"] for one in curve["curve"]] == [0]
    assert curve["curve"][0]["lost"] == "not measured"


def test_evaluate_shows_and_saves_the_curve(trained: Trained, command: Command, tmp_path: Path) -> None:
    left = command(
        "evaluate", f"adapter={trained.run}", f"data.root={trained.images}",
        f"retention.root={trained.images / 'val'}", "output=e.json", "rank_curve=true",
    )  # fmt: skip
    assert left.code == 0, left.err
    figures = json.loads((tmp_path / "e.json").read_text())
    curve = figures["rank_curve"]["curve"]
    # What cutting leaves of the whole update is the adapter.
    assert curve[-1]["top1"] == figures["top1"] and curve[-1]["energy"] == 1.0
    assert abs(curve[-1]["lost"] - figures["retention"]["lost"]) < 1e-6
    assert curve[0]["top1"] == figures["frozen"]["top1"] and curve[0]["energy"] == 0.0
    assert "of what was learned" in left.out and "by layer" in left.out
