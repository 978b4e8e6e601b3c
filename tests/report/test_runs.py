"""Runs side by side: the best is marked, and names are text."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from visionlora.report.runs import RunRow, best_run, write_runs_csv, write_runs_page


def run(metrics: dict[str, Any], top1: float | str, loss: float = 0.5, kept: bool = True) -> dict[str, Any]:
    one = copy.deepcopy(metrics)
    one["after"] |= {"val/top1": top1, "val/loss": loss}
    one["strength"]["kept"] = kept
    one["time"]["total_s"] = 60.0
    return one


def test_the_best_run_keeps_its_budgets_and_has_the_highest_top1(metrics: dict[str, Any]) -> None:
    runs = [run(metrics, 0.7), run(metrics, 0.9, kept=False), run(metrics, 0.8, 0.6), run(metrics, 0.8, 0.4)]
    assert best_run(runs) == 3
    assert best_run(runs[:2]) == 0
    assert best_run([run(metrics, 0.7, kept=False), run(metrics, 0.9, kept=False)]) == 1


def test_one_run_or_none_that_is_measured_has_no_best(metrics: dict[str, Any]) -> None:
    assert best_run([]) is None
    assert best_run([run(metrics, 0.7)]) is None
    assert best_run([run(metrics, 0.7), run(metrics, "not measured", 0.0)]) is None


def test_runs_of_different_classes_have_no_best(metrics: dict[str, Any]) -> None:
    runs = [run(metrics, 0.7), run({**metrics, "classes": ["zebra"]}, 0.9)]
    assert best_run(runs) is None
    assert best_run([run({**metrics, "classes": names}, 0.9) for names in (["a", "b"], ["b", "a"])]) == 0


def test_many_options_stand_behind_the_figures(metrics: dict[str, Any], tmp_path: Path) -> None:
    options = {f"option{place}": "1" for place in range(5)}
    write_runs_page([RunRow("one", options, run(metrics, 0.7))], None, "runs", tmp_path / "runs.html")
    page = (tmp_path / "runs.html").read_text(encoding="utf-8")
    assert page.index("<th>top-1</th>") < page.index("<th>option0</th>")
    assert page.index("<td class=figure>0.700</td>") < page.index("<td><bdi>1</bdi></td>")


def test_names_on_the_page_and_in_the_table_are_text(metrics: dict[str, Any], tmp_path: Path) -> None:
    rows = [RunRow("<b>one", {"lora.rank": "<i>4"}, run(metrics, 0.7)), RunRow("=two", {}, run(metrics, 0.9))]
    write_runs_page(rows, 1, "<u>runs", tmp_path / "runs.html")
    page = (tmp_path / "runs.html").read_text(encoding="utf-8")
    assert not {"<b>", "<i>", "<u>"} & {page[at : at + 3] for at in range(len(page))}
    assert page.index("=two") < page.index("&lt;b&gt;one"), "the best comes first"
    assert page.index("lora.rank") < page.index("top-1</th>"), "what varied stands beside the name"
    write_runs_csv(rows, 1, tmp_path / "runs.csv")
    assert "'=two" in (tmp_path / "runs.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize("kept", [True, False])
def test_the_page_says_where_the_best_run_is_over_its_budgets(
    metrics: dict[str, Any], tmp_path: Path, kept: bool
) -> None:
    rows = [RunRow("one", {}, run(metrics, 0.7, kept=kept)), RunRow("two", {}, run(metrics, 0.6, kept=False))]
    write_runs_page(rows, 0, "runs", tmp_path / "runs.html")
    page = (tmp_path / "runs.html").read_text(encoding="utf-8")
    assert ("No run keeps its budgets" in page) is not kept


def test_figures_that_no_run_has_are_no_column_of_the_page(metrics: dict[str, Any], tmp_path: Path) -> None:
    rows = [RunRow("one", {}, run(metrics, 0.7)), RunRow("two", {}, run(metrics, 0.6))]
    write_runs_page(rows, None, "runs", tmp_path / "runs.html")
    page = (tmp_path / "runs.html").read_text(encoding="utf-8")
    assert "<th>top-1</th>" in page and "mAP" not in page
    assert "None is marked as the best" in page and "highest" not in page
