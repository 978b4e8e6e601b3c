"""The comparison of adapter families."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from torchvision.models import squeezenet1_0

from benchmarks import families
from benchmarks.families import PARAMETERS, family_settings, rank_for
from benchmarks.family_contenders import FAMILIES
from benchmarks.family_tables import best, draw, sections
from benchmarks.quality_tasks import Task
from visionlora.adapters import LoraConfig, adapter_parameters, attach
from visionlora.command import compose
from visionlora.train import COMMAND

STEP = {"key": "s", "kind": "step", "network": "resnet50", "family": "dora"}
GOLDFISH = {
    "key": "g", "kind": "goldfish", "family": "lora", "whose": "ours", "learned": 0.917, "lost": 0.017,
    "false positives": 0.062, "rank": 8, "strength": 0.9, "trained": 70_520, "bytes": 281_600,
}  # fmt: skip
LEARNING = {
    "key": "l", "kind": "learning", "task": "one-tiger", "family": "loha", "whose": "PEFT", "rank": 4,
    "frozen": {"kept": 0.6}, "trained": 79_832, "seconds": 12.0, "others_called": None,
    "curve": [{"strength": 1.0, "learned": 0.7, "kept": 0.55}],
}  # fmt: skip


@pytest.mark.parametrize("family", ["loha", "lokr"])
def test_families_are_compared_at_about_equal_numbers_of_parameters(family: str) -> None:
    network = squeezenet1_0(weights=None)
    rank = rank_for(family, network)
    adapted = attach(network, LoraConfig(family=family, rank=rank, options=families._options(family)))
    trained = sum(parameter.numel() for parameter in adapter_parameters(adapted))
    assert abs(trained - PARAMETERS) < 0.06 * PARAMETERS


@pytest.mark.parametrize("family", FAMILIES)
def test_a_familys_settings_are_those_of_the_command_line(family: str) -> None:
    config = compose(COMMAND, ["data=goldfish", "model=pocket", *family_settings(family, 4)])
    assert (config.lora.family, config.lora.rank) == (family, 4)
    LoraConfig(family=family, rank=4, options=dict(config.lora.options))


def test_the_tables_show_a_broken_bound_a_failure_and_a_missing_peer() -> None:
    text = sections(
        [
            GOLDFISH,
            {**GOLDFISH, "family": "ia3", "learned": 0.5},
            {**STEP, "whose": "ours", "ratio": 1.2},
            {**STEP, "whose": "PEFT", "ratio": None},
            {**LEARNING, "lr": 1e-3, "learned": 0.5, "kept": 0.58},
        ]
    )
    assert "| lora | 8 | 0.917 | 0.017 | 0.062 | 0.9 | 70,520 | 275 | yes |" in text
    assert "| ia3 | 8 | 0.500 | 0.017 | 0.062 | 0.9 | 70,520 | 275 | **no** |" in text
    assert "| dora | 1.20, failed, - |" in text
    assert "| loha | PEFT | 0.001 | 4 | 0.700 / - | 0.050 / - | 1 | 0.500 | 0.020 | - | 79,832 | 12 |" in text


def test_the_best_learning_rate_stands_for_a_family() -> None:
    rates = [(1e-3, 0.5, 0.6), (2e-3, 0.7, 0.5), (5e-3, 0.7, 0.6)]
    records = [{**LEARNING, "lr": lr, "learned": learned, "kept": kept} for lr, learned, kept in rates]
    (only,) = best(records, "one-tiger")
    assert only["lr"] == 5e-3


def test_the_plot_goes_through_the_strengths_of_a_run_or_shows_the_run_alone() -> None:
    points = [{"strength": at, "learned": at, "kept": 0.6 - at / 10} for at in (0.5, 1.0)]
    run = {**LEARNING, "frozen": {"kept": 0.6}, "kept": 0.5, "learned": 1.0}
    tigers, goldfish = draw([
        {**run, "family": "lora", "curve": points}, {**run, "family": "classifier", "curve": []}, GOLDFISH
    ]).axes  # fmt: skip
    lines = [(list(line.get_xdata()), list(line.get_ydata())) for line in tigers.lines]
    assert lines == [(pytest.approx([0.05, 0.1]), [0.5, 1.0]), (pytest.approx([0.1]), [1.0])]
    assert len(goldfish.lines) == 1


def test_records_are_shown_and_written_into_the_page(tmp_path: Path) -> None:
    records, page, plot = tmp_path / "records.jsonl", tmp_path / "families.md", tmp_path / "families.png"
    records.write_text(json.dumps(GOLDFISH) + "\n")
    page.write_text("# Adapter families\n\nText.\n")
    given = ["--show", "--records", str(records), "--results", str(page), "--plot", str(plot)]
    assert families.main([*given, "--parts", "goldfish"]) == 0
    assert page.read_text().startswith("# Adapter families\n\nText.\n\n<!-- section:families -->")
    assert "| lora | 8 | 0.917 |" in page.read_text()
    assert plot.stat().st_size > 1000


def test_the_quick_comparison_is_the_shipped_job_and_the_steps_on_one_network() -> None:
    options = families._parser().parse_args(["--quick", "--families", "lora", "dora"])
    keys = [key for key, _ in families.measurements(options, {})]
    assert keys == ["quick lora", "quick dora", "steps mobilenet_v2 lora", "steps mobilenet_v2 dora"]


@pytest.mark.parametrize(
    ("given", "threads"), [([], 0), (["--quick"], 1), (["--quick", "--threads", "3"], 3)]
)
def test_the_quick_comparison_has_one_thread_unless_more_are_asked_for(
    given: list[str], threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(families, "measurements", lambda options, tasks: seen.append(options.threads) or ())
    monkeypatch.setattr(families, "make_tasks", lambda *_: dict.fromkeys(families.TASKS))
    assert families.main([*given, "--records", str(tmp_path / "r.jsonl")]) == 0
    assert seen == [threads]


def test_a_job_of_fewer_steps_is_in_a_table_of_its_own() -> None:
    text = sections([GOLDFISH, {**GOLDFISH, "key": "q", "kind": "quick"}])
    assert text.count("| lora |") == 2
    assert "rank 8, fewer steps**" in text


def test_learning_at_chosen_rates_without_peers_is_one_training_for_each_rate() -> None:
    given = ["--parts", "learning", "--families", "lora", "vera", "--rates", "3e-3", "--no-peers"]
    tasks = {
        "one-tiger": Task(
            "one-tiger", "a tiger", Path("tiger"), "keep", "none", Path("anchors"), Path("photos")
        )
    }
    keys = [key for key, _ in families.measurements(families._parser().parse_args(given), tasks)]
    vera = 3e-3 * families.FAMILIES_HERE["vera"].lr_factor
    assert keys == ["learning one-tiger lora ours 0.003", f"learning one-tiger vera ours {vera:g}"]


@pytest.mark.slow
@pytest.mark.parametrize("family", ["dora", "conv_adapter"])
def test_the_shipped_job_runs_with_a_family(family: str) -> None:
    settings = ["trainer.max_steps=2", "trainer.validations=1", "contrast.generated=0"]
    (record,) = families.goldfish_records(family, 1, settings)
    assert record["family"] == family and record["bytes"] > 1000
    assert "| yes |" in sections([record]) or "| **no** |" in sections([record])
