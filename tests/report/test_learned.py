"""What a run learned is the same figure wherever it is shown."""

from __future__ import annotations

import copy
import csv
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from visionlora.report.card_metadata import figures_of_run
from visionlora.report.learned import learned, learned_in_comparison
from visionlora.report.model_card import model_card
from visionlora.report.run_summary import headline_boxes, summary_sentences
from visionlora.report.runs import RunRow, best_run, write_runs_csv
from visionlora.report.summary import summary_table
from visionlora.report.tables import sweep_table

LORA = {"family": "lora", "rank": 8, "alpha": 8.0, "rank_pattern": {}, "targets": ["auto"]}


@pytest.fixture
def crossed(metrics: dict[str, Any]) -> dict[str, Any]:
    """A cross-validated run: the one that trained on all images has them right."""
    metrics["after"]["selected_on_these_images"] = ["trained on", "checkpoint"]
    metrics["folds"] = {
        "count": 2, "val/top1": 0.3, "val/top1_interval": [0.11, 0.6], "val/loss": 2.0,
        "val/top1_each": [0.2, 0.4], "val/top1_deviation": 0.14, "strength_each": [1.0, 1.0],
        "selected_on_these_images": [],
    }  # fmt: skip
    return metrics


def _text(table: Table, width: int = 200) -> str:
    console = Console(width=width, force_terminal=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_a_cross_validated_run_is_judged_by_the_runs_that_did_not_learn_the_image(
    crossed: dict[str, Any],
) -> None:
    new = learned(crossed)
    assert (new.kind, new.images, new.before, new.after) == ("cross-validated", 10, 0.1, 0.3)
    assert figures_of_run(crossed)["learned"] == 0.3 and not figures_of_run(crossed)["selected"]
    assert "cross-validated images went from 0.100 to 0.300" in summary_sentences(crossed)[0]
    assert "<b>0.300</b>" in headline_boxes(crossed)
    shown = _text(summary_table(crossed))
    assert re.search(r"10 cross-validated +top-1 .*0\.300", shown)
    assert re.search(r"10 training +top-1", shown) and "10 validation" not in shown
    assert "trained on these images, and selected on these images: checkpoint" in shown
    card = model_card(crossed, LORA, "2026-11-27")
    assert "| 10 cross-validated | top-1 | 0.100 | 0.300 (0.11 to 0.60) |" in card
    assert "value: 0.3\n" in card and "10 validation" not in card


def test_images_that_a_run_was_trained_on_make_it_no_better_than_others(
    crossed: dict[str, Any], tmp_path: Path
) -> None:
    other = copy.deepcopy(crossed)
    del other["folds"]
    other["after"] |= {"val/top1": 0.5, "selected_on_these_images": ["checkpoint"]}
    assert best_run([crossed, other]) == 1
    shown = _text(sweep_table([("folds", crossed), ("other", other)]))
    assert "0.300" in shown and "1.000" not in shown and "were trained on" not in shown
    write_runs_csv([RunRow("folds", {}, crossed)], None, tmp_path / "runs.csv")
    with (tmp_path / "runs.csv").open(encoding="utf-8") as file:
        row = next(csv.DictReader(file))
    assert (row["top-1"], row["loss"]) == ("0.3", "2.0")


def test_test_images_judge_a_run_and_choose_nothing(crossed: dict[str, Any]) -> None:
    crossed["test"] = {"before": "not measured", "after": {"images": 4, "top1": 0.75}}
    assert (learned(crossed).kind, learned(crossed).after) == ("test", 0.75)
    assert learned_in_comparison(crossed).after == 0.3


def test_the_table_of_a_sweep_fits_a_narrow_terminal_and_names_what_no_run_measured(
    metrics: dict[str, Any], unmeasured: dict[str, Any]
) -> None:
    for runs in ([("rank=1", metrics), ("rank=8", metrics)], [("rank=1", unmeasured)] * 2):
        shown = _text(sweep_table(runs), 80)
        assert "25,000" in shown, shown
        assert "strength" in shown, shown
    assert "not measured: top-1 lost on old images, false positives" in " ".join(shown.split())
