"""Learning rates found by trials."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import Train, metrics_of
from visionlora.optimizers.config import default_lr
from visionlora.training.fit import FACTORS


def test_the_best_trial_determines_the_learning_rate(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visionlora.training.fit.LEAST_STEPS", 3)
    left, folder = train("optimizer.lr=auto")
    assert left.code == 0, left.err
    rate = metrics_of(folder)["learning_rate"]
    assert [trial["lr"] for trial in rate["tried"]] == [
        default_lr(new_head=False) * factor for factor in FACTORS
    ]
    assert rate["used"] == min(rate["tried"], key=lambda trial: trial["val/objective"])["lr"]
    assert f"optimizer.lr={rate['used']:g}, the best of trials of 3 steps" in left.out
    assert metrics_of(folder)["steps"] == 4


def test_trials_do_not_affect_the_trained_adapter(train: Train, tmp_path) -> None:
    left, folder = train("optimizer.lr=auto", "trainer.max_steps=2")
    assert left.code == 0, left.err
    used = metrics_of(folder)["learning_rate"]["used"]
    found = load_file(folder / "adapter" / "adapter_model.safetensors")
    left, folder = train(f"optimizer.lr={used}", "trainer.max_steps=2")
    rate = metrics_of(folder)["learning_rate"]
    assert (rate["used"], rate["tried"]) == (used, [])
    expected = load_file(folder / "adapter" / "adapter_model.safetensors")
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-6)


def test_an_invalid_learning_rate_is_refused(train: Train) -> None:
    for wrong in ("best", "0"):
        left, _ = train(f"optimizer.lr={wrong}")
        assert left.code == 2
        assert "optimizer.lr is" in left.err
