"""Learned against kept, as a table and as a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from rich.table import Table

from visionlora.plain_table import plain_table
from visionlora.report.drawing import BLUE, GREEN, GREY_TEXT, RED
from visionlora.report.metrics_file import NOT_MEASURED

_COLUMNS = (
    ("learned", "top-1 on {} evaluated images", GREEN),
    ("kept", "top-1 on {} old images", BLUE),
    ("false_positive_rate", "false-positive rate on {} contrast images", RED),
)


def strength_curve_table(points: Sequence[Mapping[str, Any]]) -> Table:
    """One row for each strength."""
    table = plain_table("strength: learned against kept")
    for name in ("strength", "learned", "kept", "lost", "false positives"):
        table.add_column(name, justify="right")
    for point in points:
        figures = (point[key] for key in ("learned", "kept", "lost", "false_positive_rate"))
        table.add_row(f"{point['strength']:g}", *(_text(figure) for figure in figures))
    return table


def strength_curve_figure(points: Sequence[Mapping[str, Any]], images: Mapping[str, int]) -> Figure:
    """Left: every figure by strength. Right: learned against kept, with the strengths beside.

    Args:
        points: ``strength_curve`` of an evaluation.
        images: how many images each figure of the points is measured on.
    """
    figure = Figure((9.5, 4), layout="constrained")
    by_strength, against = figure.subplots(1, 2)
    strengths = [point["strength"] for point in points]
    for key, label, colour in _COLUMNS:
        if all(point[key] != NOT_MEASURED for point in points):
            by_strength.plot(
                strengths,
                [point[key] for point in points],
                "o-",
                color=colour,
                ms=3,
                label=label.format(images[key]),
            )
    by_strength.set(xlabel="strength", ylim=(-0.03, 1.03), title="By strength")
    by_strength.legend(frameon=False, fontsize=8)
    if any(point["kept"] == NOT_MEASURED for point in points):
        against.set_axis_off()
        against.text(0.5, 0.5, f"kept: {NOT_MEASURED}", ha="center", color=GREY_TEXT)
        return figure
    kept, learned = [point["kept"] for point in points], [point["learned"] for point in points]
    against.plot(kept, learned, "o-", color=GREEN, ms=4)
    labelled: set[tuple[float, float]] = set()
    for point in points:
        place = (round(point["kept"], 2), round(point["learned"], 2))
        if place not in labelled:
            labelled.add(place)
            at = (point["kept"], point["learned"])
            against.annotate(f"{point['strength']:g}", at, (4, 4), textcoords="offset points", fontsize=8)
    against.set(xlabel="kept: top-1 on old images", ylabel="learned: top-1", title="Learned against kept")
    for axes in (by_strength, against):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _text(figure: Any) -> str:
    return f"{figure:.3f}" if isinstance(figure, float) else str(figure)
