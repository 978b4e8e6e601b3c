"""Several runs in one command, and the tables at their end."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conftest import Command, Train, metrics_of
from visionlora.sweep import by_seed, in_words


def test_runs_are_named_by_what_varied() -> None:
    runs = [("data=goldfish", "lora.rank=1", "seed=0"), ("data=goldfish", "lora.rank=2", "seed=0")]
    assert in_words(runs) == ["lora.rank=1", "lora.rank=2"]
    assert in_words(runs[:1]) == ["data=goldfish, lora.rank=1, seed=0"]
    assert in_words([()]) == ["(defaults)"]
    assert in_words([]) == []


def test_runs_that_differ_in_their_seed_alone_belong_together() -> None:
    done = [(("data.root='a, seed=3'", f"lora.rank={rank}", f"seed={seed}"), {"run": (rank, seed)})
            for rank in (1, 2) for seed in (0, 1)]  # fmt: skip
    groups = by_seed(done)
    assert [[metrics["run"] for metrics in runs] for runs in groups.values()] == [
        [(1, 0), (1, 1)],
        [(2, 0), (2, 1)],
    ]


def test_a_sweep_ends_with_a_table_of_its_runs(train: Train, command: Command, tmp_path: Path) -> None:
    left, _ = train(
        "lora.rank=1,2", "trainer.max_steps=1", f"hydra.sweep.dir={tmp_path / 'sweep'}", "--multirun"
    )
    assert left.code == 0, left.err
    assert "2 runs" in left.out
    assert "lora.rank=1" in left.out
    assert "lora.rank=2" in left.out
    assert len(list((tmp_path / "sweep").glob("*/metrics.json"))) == 2
    with (tmp_path / "sweep" / "sweep.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["lora.rank"] for row in rows] == ["1", "2"]
    assert sorted(row["best"] for row in rows) == ["False", "True"]
    assert not {"data.root", "model.name"} & set(rows[0]), "the same in all runs"
    assert "lora.rank=2" in (tmp_path / "sweep" / "sweep.html").read_text()
    listed = command("runs", str(tmp_path / "sweep"), f"output={tmp_path / 'runs.csv'}")
    assert listed.code == 0, listed.err
    assert "0: lora.rank=1" in listed.out
    assert "1: lora.rank=2" in listed.out
    with (tmp_path / "runs.csv").open(newline="") as file:
        again = list(csv.DictReader(file))
    assert [row["best"] for row in again] == [row["best"] for row in rows]
    assert [row["top-1"] for row in again] == [row["top-1"] for row in rows]


def test_runs_over_seeds_end_with_mean_and_spread(train: Train, tmp_path: Path) -> None:
    left, _ = train(
        "seed=0,1,2", "trainer.max_steps=1", f"hydra.sweep.dir={tmp_path / 'sweep'}", "--multirun"
    )
    assert left.code == 0, left.err
    tops = [metrics_of(tmp_path / "sweep" / str(job))["after"]["val/top1"] for job in range(3)]
    assert f"{statistics.mean(tops):.3f} ± {statistics.stdev(tops):.3f}" in left.out


def test_two_sweeps_of_the_same_second_have_folders_of_their_own(train: Train, tmp_path: Path) -> None:
    (tmp_path / "sweep" / "0").mkdir(parents=True)
    folder = f"hydra.sweep.dir=${{new_folder:{tmp_path / 'sweep'}}}"
    left, _ = train("seed=0,1", "trainer.max_steps=1", folder, "--multirun")
    assert left.code == 0, left.err
    assert not list((tmp_path / "sweep" / "0").iterdir())
    assert sorted(path.parent.name for path in (tmp_path / "sweep_2").glob("*/metrics.json")) == ["0", "1"]
    assert (tmp_path / "sweep_2" / "sweep.html").exists()
    assert not (tmp_path / "sweep_3").exists()


def test_a_sweep_continues_after_a_failed_run(train: Train, tmp_path: Path) -> None:
    left, _ = train(
        "model.name=squeezenet9,squeezenet1_1", "trainer.max_steps=1",
        f"hydra.sweep.dir={tmp_path / 'sweep'}", "--multirun",
    )  # fmt: skip
    assert left.code == 2
    assert "squeezenet9" in left.err
    assert "no figures of 1 of 2 runs" in left.out
    assert (tmp_path / "sweep" / "1" / "metrics.json").exists()


@pytest.mark.parametrize(
    ("swept", "refused"),
    [
        (("lora.rank=1,zwei",), "(lora.rank=zwei): lora.rank"),
        (("lora.rank=range(1,-2,-1)",), "(lora.rank=0): lora.rank"),
        (("lora.family=lora,loha", "lora.restart_every=null,5"), "lora.family=loha, lora.restart_every=5): "),
    ],
)
def test_no_run_of_a_sweep_trains_where_the_settings_of_one_are_refused(
    train: Train, tmp_path: Path, swept: Sequence[str], refused: str
) -> None:
    left, _ = train(*swept, "trainer.max_steps=1", f"hydra.sweep.dir={tmp_path / 'sweep'}", "--multirun")
    assert left.code == 2
    assert "no run was started" in left.err
    assert refused in left.err
    assert not (tmp_path / "sweep").exists()
