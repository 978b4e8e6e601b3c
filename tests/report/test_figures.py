from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from visionlora.report import fonts
from visionlora.report.figures import confusion_figure, strength_figure, update_size_figure


def _pixels(figure: Figure) -> np.ndarray:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def _labels(figure: Figure) -> list[str]:
    return [label.get_text() for label in figure.axes[0].get_xticklabels()]


def test_a_confusion_matrix_of_few_classes_shows_its_counts() -> None:
    figure = confusion_figure(torch.tensor([[4, 1], [0, 7]]), ["goldfish", "boat"])
    texts = {text.get_text() for text in figure.axes[0].texts}
    assert texts == {"4", "1", "7"}
    assert _labels(figure) == ["goldfish", "boat"]


@pytest.mark.parametrize("classes", [1, 2, 60, 150])
def test_a_confusion_matrix_is_drawn_for_any_number_of_classes(classes: int) -> None:
    figure = confusion_figure(torch.eye(classes, dtype=torch.long), [f"class {k}" for k in range(classes)])
    assert _pixels(figure).std() > 0
    assert len(_labels(figure)) <= 50
    assert max(figure.get_size_inches()) <= 20
    assert bool(figure.axes[0].texts) == (classes < 25)


def test_each_row_of_a_confusion_matrix_is_coloured_by_its_shares() -> None:
    figure = confusion_figure(torch.tensor([[1, 1, 0], [0, 100, 0], [0, 0, 0]]), list("abc"))
    shades = np.asarray(figure.axes[0].images[0].get_array())
    assert np.array_equal(shades, [[0.5, 0.5, 0], [0, 1, 0], [0, 0, 0]])


@pytest.mark.parametrize("layers", [1, 19, 160])
def test_every_layer_has_a_bar(layers: int) -> None:
    sizes = {f"features.{k}": 0.01 * (k + 1) for k in range(layers)}
    figure = update_size_figure(sizes)
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    assert heights == pytest.approx([100 * size for size in sizes.values()])
    assert _pixels(figure).shape[1] <= 2500


def test_figures_do_not_change_matplotlibs_global_state() -> None:
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    update_size_figure({"a": 0.1})
    confusion_figure(torch.eye(2), ["a", "b"])
    assert plt.get_fignums() == before


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("$x_1$", "$x_1$"),
        ("$", "$"),
        ("a\nb", r"a\x0ab"),
        ("100%", "100%"),
        ("\\alpha", "\\alpha"),
        ("_", "_"),
    ],
)
def test_any_name_is_drawn_as_it_is_and_without_a_warning(name: str, shown: str) -> None:
    for figure in (confusion_figure(torch.eye(2), [name, "b"]), update_size_figure({name: 0.1, "b": 0.2})):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            _pixels(figure)
        label = figure.axes[0].get_xticklabels()[0]
        assert label.get_text() == shown
        assert not label.get_parse_math()


def test_a_dollar_sign_in_a_name_is_not_mathematics() -> None:
    def width(name: str) -> int:
        figure = confusion_figure(torch.eye(1), [name])
        _pixels(figure)
        return round(figure.axes[0].get_yticklabels()[0].get_window_extent().width)

    assert width("$aa$") > width("aa")


def test_characters_without_a_font_become_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "system_fonts", tuple)
    figure = confusion_figure(torch.eye(2), ["\U000f0000魚", "b"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _pixels(figure)
    assert _labels(figure)[0] == r"\U000f0000\u9b5a"


def test_the_strength_curve_is_drawn_with_its_budgets_and_the_choice(metrics: dict[str, Any]) -> None:
    learned, lost = strength_figure(metrics["strength"]).axes
    curve = next(line for line in learned.lines if line.get_label() == "top-1 on 10 validation images")
    assert list(curve.get_xdata()) == [0.0, 0.4, 0.8, 1.0]
    assert list(curve.get_ydata()) == [0.1, 0.5, 1.0, 1.0]
    lines = {line.get_label(): line for line in lost.lines}
    assert list(lines["chosen strength"].get_xdata()) == [0.8, 0.8]
    rounded = lines["retention.budget 0.01,\nrounded up to whole images: 0.013"]
    assert list(rounded.get_ydata()) == [0.013334, 0.013334]
    exact = next(line for line in learned.lines if line.get_label() == "contrast.budget 0.05")
    assert list(exact.get_ydata()) == [0.05, 0.05]


def test_interpolated_points_are_hollow(metrics: dict[str, Any]) -> None:
    learned, _ = strength_figure(metrics["strength"]).axes
    hollow = next(line for line in learned.lines if line.get_label() == "interpolated")
    assert (list(hollow.get_xdata()), list(hollow.get_ydata())) == ([0.4], [0.5])
    assert hollow.get_markerfacecolor() == "white"


def test_what_the_interval_allows_is_a_band_above_the_budget(metrics: dict[str, Any]) -> None:
    _, lost = strength_figure(metrics["strength"]).axes
    (band,) = (patch for patch in lost.patches if "95 % interval" in str(patch.get_label()))
    assert (band.get_y(), band.get_y() + band.get_height()) == pytest.approx((0.013334, 0.0295))


def test_the_chosen_point_has_its_interval(metrics: dict[str, Any]) -> None:
    metrics["strength"] |= {"lost_interval": [0.002, 0.05], "false_positives_interval": [0.01, 0.16]}
    for axes, low, high in zip(
        strength_figure(metrics["strength"]).axes, (0.01, 0.002), (0.16, 0.05), strict=True
    ):
        (bar,) = (one for one in axes.containers if isinstance(one, ErrorbarContainer))
        (segment,) = bar.lines[2][0].get_segments()
        assert (segment[0][1], segment[1][1]) == pytest.approx((low, high))
        assert segment[0][0] == 0.8


def test_a_kept_choice_lies_on_or_below_the_budgets_line(metrics: dict[str, Any]) -> None:
    strength = metrics["strength"]
    strength["curve"][2]["lost"] = 1 / 75
    _, lost = strength_figure(strength).axes
    line = next(line for line in lost.lines if str(line.get_label()).startswith("retention.budget"))
    assert strength["curve"][2]["lost"] <= line.get_ydata()[0]


def test_the_frozen_networks_own_rate_is_the_limit_where_it_exceeds_the_budget(
    metrics: dict[str, Any],
) -> None:
    strength = metrics["strength"]
    strength["curve"][0]["contrast/false_positive_rate"] = strength["allowed"]["contrast"] = 0.125
    learned, _ = strength_figure(strength).axes
    labels = {line.get_label() for line in learned.lines}
    assert "contrast.budget 0.05,\nas before training: 0.125" in labels


def test_no_line_is_drawn_without_a_budget(metrics: dict[str, Any]) -> None:
    metrics["strength"]["budget"]["contrast"] = None
    learned, _ = strength_figure(metrics["strength"]).axes
    assert not any("contrast.budget" in str(line.get_label()) for line in learned.lines)


def test_a_strength_that_was_not_chosen_has_its_reason_in_the_figure(unmeasured: dict[str, Any]) -> None:
    figure = strength_figure(unmeasured["strength"])
    assert not figure.axes
    assert "no anchors" in figure.texts[0].get_text()


def test_figures_that_were_not_measured_are_not_drawn(metrics: dict[str, Any]) -> None:
    strength = metrics["strength"]
    strength["budget"]["retention"] = None
    strength["curve"] = [{k: v for k, v in point.items() if k != "lost"} for point in strength["curve"]]
    _, lost = strength_figure(strength).axes
    assert lost.get_title() == "Forgotten: not measured"
    assert [line.get_label() for line in lost.lines] == ["chosen strength"]
    assert not lost.patches
