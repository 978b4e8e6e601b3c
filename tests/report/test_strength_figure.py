from __future__ import annotations

from typing import Any

from visionlora.report.strength_figure import strength_figure


def test_the_curve_is_drawn_with_its_budget_and_its_choice(metrics: dict[str, Any]) -> None:
    learning, keeping = strength_figure(metrics["strength"]).axes
    learned = next(line for line in learning.lines if line.get_label() == "new images, top-1")
    assert list(learned.get_xdata()) == [0.0, 0.8, 1.0]
    assert list(learned.get_ydata()) == [0.1, 1.0, 1.0]
    levels = {line.get_label(): line for line in keeping.lines}
    assert list(levels["retention.budget"].get_ydata()) == [0.01, 0.01]
    assert list(levels["chosen"].get_xdata()) == [0.8, 0.8]
    wrong = next(line for line in learning.lines if line.get_label() == "contrast.budget")
    assert list(wrong.get_ydata()) == [0.05, 0.05]


def test_a_budget_that_nobody_set_is_not_drawn(metrics: dict[str, Any]) -> None:
    metrics["strength"]["budget"]["contrast"] = None
    learning, _ = strength_figure(metrics["strength"]).axes
    assert "contrast.budget" not in {line.get_label() for line in learning.lines}


def test_where_nothing_was_chosen_the_figure_says_why(unmeasured: dict[str, Any]) -> None:
    figure = strength_figure(unmeasured["strength"])
    assert not figure.axes
    assert "no anchors" in figure.texts[0].get_text()


def test_what_was_not_measured_is_not_drawn(metrics: dict[str, Any]) -> None:
    strength = metrics["strength"]
    strength["budget"]["retention"] = None
    strength["curve"] = [{k: v for k, v in point.items() if k != "lost"} for point in strength["curve"]]
    _, keeping = strength_figure(strength).axes
    assert keeping.get_title() == "Forgotten: not measured"
    assert [line.get_label() for line in keeping.lines] == ["chosen"]
