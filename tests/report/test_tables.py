from __future__ import annotations

import re
import sys
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType

from visionlora.plain_table import show
from visionlora.report.rank_table import rank_curve_table
from visionlora.report.sheet import PredictionRow
from visionlora.report.summary import summary_table
from visionlora.report.tables import (
    changes_table,
    evaluation_table,
    predictions_table,
    seeds_table,
    sweep_table,
)


def _text(table: RenderableType, width: int = 160) -> str:
    console = Console(width=width, file=StringIO())
    with console.capture() as capture:
        show(table, console)
    return capture.get()


def _line(text: str, words: str) -> str:
    return next(line for line in text.splitlines() if words in " ".join(line.split()))


def test_the_summary_shows_each_figure_before_and_after(metrics: dict[str, Any]) -> None:
    text = _text(summary_table(metrics))
    for words, before, after in (
        ("10 validation top-1", "0.100", "1.000"), ("10 validation top-5", "0.400", "1.000"),
        ("10 validation loss", "4.125", "0.250"), ("100 old top-1", "0.750", "0.740"),
        ("false-positive rate", "0.000", "0.050"),
    ):  # fmt: skip
        line = _line(text, words)
        assert 0 < line.index(before) < line.rindex(after)


def test_an_accuracy_has_its_interval(metrics: dict[str, Any]) -> None:
    assert "0.72 to 1.00" in _line(_text(summary_table(metrics)), "10 validation top-1")


def test_figures_that_were_not_measured_are_marked_in_their_row(unmeasured: dict[str, Any]) -> None:
    text = _text(summary_table(unmeasured))
    assert _line(text, "no old top-1").count("not measured") == 1
    assert _line(text, "no contrast false-positive rate").count("not measured") == 1


def test_forgetting_of_unlabelled_images_is_marked_as_an_estimate(unlabelled: dict[str, Any]) -> None:
    text = _text(summary_table(unlabelled))
    assert "0.020" in _line(text, "top-1 lost (estimate)")
    assert "0.84 to 0.95" in _line(text, "same prediction")
    assert "0.125" in _line(text, "divergence")
    words = _text(sweep_table([("a", unlabelled)])).split()
    assert "+0.020" in words
    assert "(estimate)" in words


def test_the_summary_shows_the_strength_and_whether_it_is_within_budget(
    metrics: dict[str, Any], unmeasured: dict[str, Any]
) -> None:
    assert "0.8" in _line(_text(summary_table(metrics)), "strength")
    metrics["strength"]["kept"] = False
    assert "near budget" in _line(_text(summary_table(metrics)), "strength")
    metrics["strength"]["plausibly_kept"] = False
    assert "OVER BUDGET" in _line(_text(summary_table(metrics)), "strength")
    assert "not chosen" in _line(_text(summary_table(unmeasured)), "strength")


def test_a_figure_of_images_that_chose_it_has_a_star_and_its_cross_fitted_value_beside_it(
    metrics: dict[str, Any],
) -> None:
    text = _text(summary_table(metrics))
    for words, starred, fitted in (
        ("10 validation top-1", "1.000*", "0.900"), ("100 old top-1", "0.740*", "0.730"),
        ("false-positive rate", "0.050*", "0.075"),
    ):  # fmt: skip
        line = _line(text, words)
        assert 0 < line.index(starred) < line.index(fitted)
    assert "* selected on these images: checkpoint, weights, strength" in text
    for section in ("after", "retention", "contrast"):
        metrics[section]["selected_on_these_images"] = []
    assert "*" not in _text(summary_table({**metrics, "cross_fitted": "not measured"}))


def test_test_images_report_without_a_star(metrics: dict[str, Any]) -> None:
    figures = {"images": 30, "top1": 0.8, "balanced_accuracy": 0.75, "selected_on_these_images": []}
    metrics["test"] = {"before": figures | {"top1": 0.2}, "after": figures}
    text = _text(summary_table(metrics))
    line = _line(text, "30 test top-1")
    assert 0 < line.index("0.200") < line.index("0.800")
    assert "*" not in line
    assert "0.750" in _line(text, "30 test balanced accuracy")


def test_each_class_with_forgotten_images_has_a_row(metrics: dict[str, Any]) -> None:
    text = _text(changes_table(metrics["retention"], most=2))
    assert "3 of 100" in text
    assert "2 gained" in text
    assert "goldfish 1" in _line(text, "yawl")
    assert "0.15 to 0.85" in _line(text, "coho")
    assert "tench" not in text
    assert "1 more" in text


def test_a_run_without_forgotten_images_says_so(metrics: dict[str, Any]) -> None:
    metrics["retention"]["changes"]["classes"] = []
    assert "no old image was forgotten" in _text(changes_table(metrics["retention"]))


def test_the_summary_fits_a_narrow_terminal(metrics: dict[str, Any]) -> None:
    metrics["contrast"] = "not measured"
    metrics["strength"] |= {"kept": False, "plausibly_kept": True}
    text = _text(summary_table(metrics), width=80)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 80
    assert _line(text, "10 validation top-1 0.100 1.000* 0.72 to 1.00 0.900")
    assert _line(text, "no contrast false-positive rate not measured")
    assert _line(text, "strength 0.8 near budget")


def test_the_title_and_the_note_of_the_summary_are_as_wide_as_the_terminal(metrics: dict[str, Any]) -> None:
    lines = _text(summary_table(metrics | {"cross_fitted": "not measured"}), width=160).splitlines()
    assert lines[0].rstrip().endswith("60 steps of 250 ms")
    assert lines[-1].strip() == "* selected on these images: checkpoint, weights, strength"


def test_what_reports_comes_first(metrics: dict[str, Any]) -> None:
    figures = {"images": 30, "top1": 0.8, "selected_on_these_images": []}
    metrics["test"] = {"before": figures, "after": figures}
    text = " ".join(_text(summary_table(metrics)).split())
    assert text.index("30 test top-1") < text.index("10 validation top-1") < text.index("100 old top-1")


def test_the_summary_has_no_top5_where_a_new_head_has_five_outputs_or_fewer(metrics: dict[str, Any]) -> None:
    metrics["after"]["val/top5"] = 1.0
    assert "top-5" in _text(summary_table(metrics))
    metrics |= {"head": "new", "classes": ["ant", "bee"]}
    assert "top-5" not in _text(summary_table(metrics))


def test_the_sweep_has_a_row_for_each_run(metrics: dict[str, Any], unmeasured: dict[str, Any]) -> None:
    text = _text(sweep_table([("lora.rank=1, lora.targets=[conv]", metrics), ("lora.rank=8", unmeasured)]))
    assert "25,000" in _line(text, "lora.rank=1")
    assert "targets=[conv]" in _line(text, "lora.rank=1")
    assert "0.010" in _line(text, "lora.rank=1")
    assert "0.72 to 1.00" in _line(text, "lora.rank=1")
    assert "0.8" in _line(text, "lora.rank=1").split()
    assert text.count("not") == text.count("measured") == 2


def test_a_sweep_fits_80_characters_and_cuts_no_figure(
    metrics: dict[str, Any], unmeasured: dict[str, Any]
) -> None:
    metrics["parameters"]["trainable"] = 2_345_678
    text = _text(sweep_table([("lora.rank=1, lora.targets=[conv]", metrics), ("a", unmeasured)]), width=80)
    assert "2,345,678" in text


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (["weights"], "on images that chose their run's weights"),
        (["checkpoint", "weights", "strength"], "chose their run's checkpoint, weights and strength"),
        (["trained on", "weights"], "that some runs were trained on and that also chose their run's weights"),
        ([], None),
    ],
)
def test_what_the_images_of_several_runs_have_chosen_is_a_sentence(
    unmeasured: dict[str, Any], chosen: list[str], words: str | None
) -> None:
    unmeasured["after"]["selected_on_these_images"] = chosen
    text = " ".join(_text(sweep_table([("a", unmeasured)])).split())
    assert words in text if words else "images that" not in text


def test_why_a_run_of_a_sweep_is_the_best_is_said(
    metrics: dict[str, Any],
) -> None:
    worse = {**metrics, "after": {**metrics["after"], "val/top1": 0.1}, "cross_fitted": "not measured"}
    for others, tie in (([("b", worse)], ""), ([("b", worse), ("c", metrics)], ", then smallest loss")):
        runs = [("a", metrics), *others]
        metrics["strength"]["kept"] = True
        assert f"highest top-1{tie} within the budgets" in " ".join(_text(sweep_table(runs)).split())
        metrics["strength"]["kept"] = False
        assert f"highest top-1{tie}; no run keeps its budgets" in " ".join(_text(sweep_table(runs)).split())
        del metrics["strength"]["kept"]  # of a new head, which has nothing to forget
        caption = " ".join(_text(sweep_table(runs)).split())
        assert f"highest top-1{tie};" in caption and "budgets" not in caption


def test_no_run_is_the_best_where_they_learned_different_classes(metrics: dict[str, Any]) -> None:
    runs = [("a", metrics), ("b", {**metrics, "classes": ["zebra"]})]
    text = " ".join(_text(sweep_table(runs)).split())
    assert "none is marked as the best: they learned different classes" in text and "* a" not in text


def test_a_path_of_usual_length_stands_in_one_line() -> None:
    path = Path("newfolder/umbrella/fluent-flat.png")
    names = [("rocking chair", 0.18), ("digital clock", 0.1), ("parachute", 0.05)]
    assert str(path) in _text(predictions_table([PredictionRow(path, None, None, names)]), 80)


@pytest.mark.parametrize(
    ("smallest", "words"), [(4, "learned: rank 4"), ("not measured", "not measured: the update adds nothing")]
)
def test_the_smallest_rank_is_told_or_why_there_is_none(smallest: object, words: str) -> None:
    curve = {
        "share": 0.9, "smallest_rank": smallest, "smallest_rank_by_energy": 3,
        "curve": [{"rank": 0, "energy": 0.0, "top1": 0.5, "kept": "not measured", "lost": 0.0}],
        "layers": {"a": {"rank": 8, "smallest_rank": 2}, "b": {"rank": 8, "smallest_rank": 5}},
    }  # fmt: skip
    text = " ".join(_text(rank_curve_table(curve)).split())
    assert words in text
    assert "rank 3 in all layers together, 2 to 5 by layer (most: b 5, a 2)" in text


def test_no_line_begins_with_a_percent_sign() -> None:
    row = PredictionRow(Path("a.png"), None, None, [("goldfish", 0.75), ("goldfish", 0.2)])
    for width in range(30, 60):
        text = _text(predictions_table([row]), width)
        assert "75 %" in text and "20 %" in text, text


@pytest.mark.parametrize("width", [24, 30, 40, 60, 79, 80])
@pytest.mark.parametrize("before", [None, [("yawl", 0.25)]])
def test_no_prediction_is_cut_off_in_a_narrow_terminal(
    width: int, before: list[tuple[str, float]] | None
) -> None:
    row = PredictionRow(Path("photos/holiday/0001.png"), None, before, [("yawl", 0.84), ("hen", 0.12)])
    text = _text(predictions_table([row], width=width), width)
    assert "84 %" in text and "12 %" in text
    assert before is None or "25 %" in text


@pytest.mark.parametrize("width", [20, 40, 60])
def test_no_figure_is_cut_off_in_a_narrow_terminal(metrics: dict[str, Any], width: int) -> None:
    for table in (
        summary_table, lambda metrics: changes_table(metrics["retention"]),
        lambda metrics: sweep_table([("lora.rank=8", metrics), ("lora.rank=16", metrics)]),
        lambda metrics: seeds_table([("lora.rank=8", [metrics, metrics])]),
    ):  # fmt: skip
        wide, narrow = _text(table(metrics), 200), "".join(_text(table(metrics), width).split())
        assert "…" not in narrow
        lost = [word for word in wide.split() if word[-1].isdigit() and word not in narrow]
        assert not lost


def test_a_table_that_fits_is_no_wider_than_the_terminal(metrics: dict[str, Any]) -> None:
    text = _text(sweep_table([("lora.rank=8", metrics), ("lora.rank=16", metrics)]), 80)
    assert max(map(len, text.splitlines())) <= 80


def test_the_frozen_networks_prediction_is_shown_only_if_there_is_one() -> None:
    row = PredictionRow(Path("a.png"), None, [("yawl", 0.25)], [("goldfish", 0.75), ("tench", 0.2)])
    compared, alone = (
        _text(predictions_table([row])),
        _text(predictions_table([PredictionRow(row.path, None, None, row.after)])),
    )
    assert "yawl 25 %" in _line(compared, "a.png")
    assert "goldfish 75 %" in _line(alone, "a.png")
    assert "tench 20 %" in _line(alone, "a.png")
    assert "frozen" not in alone


def test_the_evaluation_has_a_row_for_each_class(metrics: dict[str, Any]) -> None:
    evaluation = {
        "images": 14, "top1": 0.5, "top5": 0.9, "loss": 1.0, "calibration_error": 0.125,
        "frozen": "not measured", "retention": metrics["retention"], "contrast": "not measured",
        "selected_on_these_images": ["checkpoint"],
        "per_class": {
            "goldfish": {"images": 10, "top1": 0.7, "frozen_top1": "not measured"},
            "yawl": {"images": 4, "top1": 0.0, "frozen_top1": 0.25},
        },
    }  # fmt: skip
    text = _text(evaluation_table(evaluation, 1000))
    assert "top-5 0.900" in text
    # Of five outputs all are among the five most probable ones.
    assert "top-5" not in _text(evaluation_table(evaluation, 5))
    assert "0.125" in text
    assert "not measured" in _line(text, "goldfish")
    assert "0.250" in _line(text, "yawl")
    assert "0.910 (0.84 to 0.95) same prediction" in text
    assert "+0.010 top-1 lost" in text


@pytest.mark.parametrize("name", ["[red]fish[/red]", "a[1]", ":fish:", "end\\"])
def test_names_are_not_read_as_markup_or_emoji_codes(metrics: dict[str, Any], name: str) -> None:
    text = _text(predictions_table([PredictionRow(Path(f"{name}.png"), None, None, [(name, 0.5)])]))
    assert f"{name}.png" in text
    assert f"{name} 50 %" in text
    one = metrics["retention"]["changes"]["classes"][0]
    one["class"], one["now"] = name, {name: 3}
    assert f"{name} 3" in _line(_text(changes_table(metrics["retention"])), f" {name} ")
    assert name in _text(sweep_table([(f"data.root={name}", metrics)]))


def test_control_characters_in_names_become_escapes() -> None:
    row = PredictionRow(Path("a\nb.png"), None, [("\x1b[31mred", 0.5)], [("gold\r\nfish", 0.5)])
    text = _text(predictions_table([row]))
    for name in (r"a\x0ab.png", r"\x1b[31mred 50 %", r"gold\x0d\x0afish 50 %"):
        assert name in text
    assert "\x1b" not in text
    assert "\r" not in text


def test_each_column_of_predictions_has_its_name() -> None:
    rows = [PredictionRow(Path("a.png"), None, [("yawl", 1.0)], [("tench", 1.0)])]
    header = _text(predictions_table(rows)).splitlines()[0]
    assert header.split("  ") and [part.strip() for part in header.split("  ") if part.strip()] == [
        "image", "frozen network, top-1", "top-1 prediction", "next predictions",
    ]  # fmt: skip


@pytest.mark.parametrize("width", [40, 60, 80])
def test_no_line_ends_within_the_escape_of_a_letter_that_the_console_lacks(
    monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(BytesIO(), "cp1252"))
    names = [("金魚水槽蝶尾出目金和金" * 2, 0.5), ("地金土佐金" * 3, 0.25), ("🐟🐠🐡" * 3, 0.1)]
    text = _text(predictions_table([PredictionRow(Path("a.png"), None, None, names)]), width)
    escapes = sum(len(name) for name, _ in names)
    assert len(re.findall(r"\\u[0-9a-f]{4}|\\U[0-9a-f]{8}", text)) == escapes


def test_what_differs_and_the_figures_over_seeds_fit_80_columns(metrics: dict[str, Any]) -> None:
    families = ("lora.family=adalora", "lora.family=dora", "lora.family=ia3")
    groups = [(family, [metrics, metrics]) for family in families]
    whole = _text(seeds_table(groups), 80)
    assert "…" not in whole and all(family.partition("=")[2] in whole for family in families)
    missing = {**metrics, "retention": "not measured", "contrast": "not measured"}
    fewer = _text(seeds_table([(family, [missing, missing]) for family in families]), 80)
    assert all(family in fewer for family in families)
    assert "not measured: top-1 lost on old images, false positives" in " ".join(fewer.split())
