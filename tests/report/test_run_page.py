"""The report of a run is one file that holds all it shows, and nothing in a name is markup."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from visionlora.report.charts import Line, line_chart
from visionlora.report.classification_report import Bin, ClassificationReport, ClassScores, write_classes
from visionlora.report.run_page import IMAGES, OPEN, TIMES, HeatMap, RunReport, run_page, write_run_page
from visionlora.report.run_summary import summary_sentences
from visionlora.report.sheet import PredictionRow

NASTY = "<script>alert('x')</script>&\"\x1b"
CLASS_REPORT = ClassificationReport(
    "10 validation images",
    ["strength"],
    [ClassScores("goldfish", 8, 0.75, 0.5, 0.25), ClassScores("=yawl", 2, None, None, None)],
    [[4, 0, 4], [0, 1, 1], [0, 0, 0]],
    [Bin(7, 0.9, 0.8), Bin(3, 0.4, 0.5)],
    0.125,
)


def report(metrics: dict[str, Any], rows: list[PredictionRow], **changes: Any) -> RunReport:
    parts: dict[str, Any] = {
        "name": "run", "metrics": metrics, "class_report": CLASS_REPORT,
        "images": [(row, float(len(rows) - place)) for place, row in enumerate(rows)],
        "forgotten": rows[:1], "heat_maps": "not drawn", "update_sizes": {"features.0": 0.02},
        "config": "seed: 0\n",
    }  # fmt: skip
    return RunReport(**{**parts, **changes})


def row(path: Path, said: str = "goldfish", truth: str = "goldfish") -> PredictionRow:
    return PredictionRow(path, truth, [("tench", 0.6)], [(said, 0.9)])


def test_the_page_loads_nothing(metrics: dict[str, Any], image: Path, tmp_path: Path) -> None:
    maps = [HeatMap(image, "goldfish", None, (Image.new("RGB", (8, 8)), "goldfish"))]
    write_run_page(report(metrics, [row(image)], heat_maps=maps), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Content-Security-Policy" in page
    assert not re.search(r"https?://|<script|<link|url\(", page)
    sources = re.findall(r"src='([^']{0,40})", page)
    assert len(sources) >= 3
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)


def test_the_time_table_names_what_each_second_went_to(metrics: dict[str, Any], image: Path) -> None:
    page = run_page(report(metrics, [row(image)]))
    shown = dict(re.findall(r"<tr><td>([^<]*)</td><td>([^<]*)</td></tr>", page))
    # Writing goes on after the page is written.
    assert set(metrics["time"]) == {*TIMES, "writing_s", "step_ms", "images_per_s"}
    taken = {words: metrics["time"][name] for name, words in TIMES.items()}
    assert {words: shown.get(words) for words in taken} == {
        words: f"{seconds:.1f} s" if seconds else None for words, seconds in taken.items()
    }
    assert shown["total until this page was written"] == "67.0 s"
    assert (shown["a training step, the median"], shown["new images per second"]) == ("250 ms", "32.0")


def test_every_table_scrolls_on_a_narrow_page(metrics: dict[str, Any], image: Path) -> None:
    page = run_page(report(metrics, [row(image)]))
    assert page.count("<table") == page.count("<div class=scroll tabindex=0><table") > 2


def test_names_are_text(metrics: dict[str, Any], tmp_path: Path) -> None:
    metrics["classes"] = [NASTY]
    metrics["retention"]["changes"]["classes"][0]["class"] = NASTY
    metrics["notices"] = [NASTY]
    scores = ClassificationReport(
        "x", [NASTY], [ClassScores(NASTY, 1, 1.0, 1.0, 1.0)], [[1, 0], [0, 0]], [], 0.0
    )
    rows = [row(tmp_path / f"a{NASTY.replace('/', '')}.png", NASTY, NASTY)]
    page = run_page(
        report(metrics, rows, name=NASTY, class_report=scores, config=NASTY, update_sizes={NASTY: 1.0})
    )
    assert "<script" not in page
    assert "\x1b" not in page
    assert page.count("&lt;script&gt;") >= 8


def test_every_image_is_in_the_report_with_a_picture_or_in_a_table(
    metrics: dict[str, Any], image: Path
) -> None:
    rows = [row(image.with_name(f"{place}.jpg")) for place in range(IMAGES + 5)]
    page = run_page(report(metrics, rows))
    for one in rows:
        assert f"<bdi>{one.path.name}</bdi>" in page
    assert f"{IMAGES - OPEN} more" in page
    assert "5 more without their images" in page


@pytest.mark.parametrize("which", ["metrics", "unmeasured", "unlabelled"])
def test_what_is_not_measured_is_said(which: str, request: pytest.FixtureRequest) -> None:
    metrics = request.getfixturevalue(which)
    page = run_page(report(metrics, [], class_report=None, forgotten=[]))
    assert page.count("not measured") >= (4 if which == "unmeasured" else 2)
    learned, kept, called = summary_sentences(metrics)
    assert "went from 0.100 to 1.000 (95 % interval 0.72 to 1.00)" in learned
    assert ("not measured" in kept) == ("not measured" in called) == (which == "unmeasured")
    assert ("estimated" in kept) == (which == "unlabelled")


def test_the_summary_reports_test_images_where_there_are_some(metrics: dict[str, Any]) -> None:
    metrics["test"] = {"before": "not measured", "after": {"images": 50, "top1": 0.8}}
    assert "top-1 on 50 test images is 0.800" in summary_sentences(metrics)[0]


def test_the_page_is_called_by_what_was_learned(metrics: dict[str, Any]) -> None:
    page = run_page(report(metrics, [], name="2026-11-27_14-17-01"))
    assert "<h1><bdi>vgg19: goldfish</bdi> <small>run <bdi>2026-11-27_14-17-01</bdi></small></h1>" in page
    assert "<title>vgg19: goldfish - 2026-11-27_14-17-01</title>" in page


def test_a_new_head_has_no_sections_of_what_it_cannot_forget(metrics: dict[str, Any], image: Path) -> None:
    new = PredictionRow(image, "goldfish", None, [("tench", 0.9)])
    scores = ClassificationReport(
        "x", [], [ClassScores("goldfish", 8, 0.5, 0.25, None)], [[8, 0], [0, 0]], [], 0.0
    )
    changes = {"head": "new", "retention": "not measured", "contrast": "not measured"}
    page = run_page(report({**metrics, **changes}, [new], class_report=scores, forgotten=[]))
    assert "What it forgot is not measured, because the new head has none of the old outputs" in page
    for words in ("What was forgotten", "Strength", "recall before", "<small>after"):
        assert words not in page, words
    assert "tench 90&nbsp;%" in page


def test_the_loss_stands_beside_mistakes_and_cross_validated_images_are_those_of_training(
    metrics: dict[str, Any], image: Path
) -> None:
    rows = [row(image, "tench"), row(image)]
    page = run_page(report(metrics, rows))
    assert "Validation images, mistakes first" in page
    assert "1 of 2 validation images is wrong after training" in page
    assert re.findall(r"loss [0-9.]+", page) == ["loss 2.000"]
    assert "Training images, mistakes first" in run_page(
        report({**metrics, "folds": {**metrics["after"]}}, rows)
    )


def test_the_budget_of_false_positives_is_drawn_where_they_are_measured(metrics: dict[str, Any]) -> None:
    page = run_page(report(metrics, []))
    curve = [
        {key: value for key, value in point.items() if not key.startswith("contrast/")}
        for point in metrics["strength"]["curve"]
    ]
    without = {**metrics, "strength": {**metrics["strength"], "curve": curve}}
    assert run_page(report(without, [])).count("key limit") == page.count("key limit") - 1


def test_what_is_kept_of_the_classes_of_earlier_runs_is_in_the_report(metrics: dict[str, Any]) -> None:
    kept = {"images": 4, "learned": 1.0, "before/top1": 1.0, "after/top1": 0.75, "kept": 0.75}
    other = {**kept, "class": "yawl", "images": 0, "before/top1": "not measured", "kept": "not measured"}
    earlier = {"lost": 0.01, "classes": [{"class": NASTY, **kept}, other]}
    page = run_page(report(metrics | {"earlier": earlier}, []))
    assert "Classes of earlier runs" in page and "lost by all runs: +0.010" in page
    assert "<td>1.000</td><td>0.750</td><td>75 %</td>" in page and "<script" not in page
    assert "Classes of earlier runs" not in run_page(report(metrics, []))


def test_a_reliability_diagram_needs_ten_images(metrics: dict[str, Any]) -> None:
    few = ClassificationReport(
        "x", [], [ClassScores("a", 9, 1.0, 1.0, None)], [[9, 0], [0, 0]], [Bin(9, 0.9, 0.8)], 0.1
    )
    assert "Reliability" not in run_page(report(metrics, [], class_report=few))
    assert "Reliability" in run_page(report(metrics, []))


def test_an_axis_has_readable_numbers_where_values_are_below_zero() -> None:
    chart = line_chart(
        [Line("lost", "lost", [(0.0, 0.0), (0.5, -0.00662), (1.0, 0.02)])], "strength", 0.024, 1.0
    )
    assert re.findall(r"text-anchor=end>([^<]*)<", chart) == ["-0.01", "0", "0.01", "0.02", "0.03"]


def test_of_many_classes_the_most_confused_pairs_are_listed(metrics: dict[str, Any]) -> None:
    count = 60
    matrix = [[0] * (count + 1) for _ in range(count + 1)]
    matrix[3][7] = 9
    classes = [ClassScores(f"c{place}", 1, 1.0, 1.0, None) for place in range(count)]
    page = run_page(report(metrics, [], class_report=ClassificationReport("x", [], classes, matrix, [], 0.0)))
    assert "<tr><td>c3</td><td>c7</td><td>9</td></tr>" in page
    assert "Confusion matrix" not in page


def test_the_figures_of_each_class_are_in_a_table_that_a_spreadsheet_takes(tmp_path: Path) -> None:
    write_classes(CLASS_REPORT, tmp_path / "classes.csv")
    with (tmp_path / "classes.csv").open(newline="", encoding="utf-8") as file:
        goldfish, yawl = csv.DictReader(file)
    assert float(goldfish["f1"]) == pytest.approx(0.6)
    assert float(goldfish["recall_low"]) < float(goldfish["recall"]) < float(goldfish["recall_high"])
    assert yawl["class"] == "'=yawl"
    assert yawl["recall"] == yawl["f1"] == ""
