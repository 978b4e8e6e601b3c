"""Sweeps through Hydra's plugins: skipped where these are not installed (pip install 'visionlora[sweep]')."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import yaml

from tests.conftest import Train
from visionlora.paths import shipped
from visionlora.settings import keys_of
from visionlora.training.config import RunConfig


def needs(plugin: str) -> pytest.MarkDecorator:
    found = importlib.util.find_spec("hydra_plugins") and importlib.util.find_spec(f"hydra_plugins.{plugin}")
    return pytest.mark.skipif(not found, reason=f"{plugin} is not installed: pip install 'visionlora[sweep]'")


def test_what_the_search_varies_are_options_of_training() -> None:
    search = yaml.safe_load(shipped("conf/hydra/sweeper/search.yaml").read_text())
    assert set(search["params"]) <= set(keys_of(RunConfig))
    assert search["direction"] == "minimize"


@pytest.mark.slow
@needs("hydra_joblib_launcher")
def test_runs_at_the_same_time_end_with_one_table_and_the_worst_exit_code(
    train: Train, tmp_path: Path
) -> None:
    sweep = tmp_path / "sweep"
    left, _ = train(
        "lora.targets=[nowhere],auto",
        f"hydra.sweep.dir={sweep}",
        "hydra/launcher=local",
        "retention.weight=0",
        "--multirun",
    )
    assert left.code == 2, left.err
    assert "no figures of 1 of 2 runs" in left.out
    assert (sweep / "1" / "metrics.json").exists()
    assert not (sweep / ".jobs").exists()


@pytest.mark.slow
@needs("hydra_optuna_sweeper")
def test_optuna_chooses_what_the_next_run_tries(train: Train, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    left, _ = train(
        "hydra/sweeper=search", f"hydra.sweep.dir={sweep}", "hydra.sweeper.n_trials=2", "trainer.max_steps=1",
        "trainer.validations=1", "--multirun",
    )  # fmt: skip
    assert left.code == 0, left.err
    best = yaml.safe_load((sweep / "optimization_results.yaml").read_text())
    assert set(best["best_params"]) == {"optimizer.lr", "retention.weight"}, "lora.rank is set by the command"
    assert 0 < best["best_value"] < 2


@needs("hydra_submitit_launcher")
def test_the_slurm_launcher_is_composed(train: Train) -> None:
    left, _ = train("hydra/launcher=slurm", "--cfg", "hydra")
    assert left.code == 0, left.err
    assert "submitit" in left.out and "gpus_per_node: 1" in left.out
