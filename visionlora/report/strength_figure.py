"""What each strength of the adapter learns and forgets, drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from visionlora.report.drawing import BLUE, QUIET, RIGHT, WRONG
from visionlora.report.metrics_file import NOT_MEASURED


def strength_figure(strength: Mapping[str, Any]) -> Figure:
    """Left: new images right, and other things called by a new name, at each strength. Right: top-1 lost.
    Both with their budgets.

    Args:
        strength: of ``metrics.json``. Where nothing was chosen the figure says why.
    """
    figure = Figure((9, 3.8), layout="constrained")
    curve = strength["curve"]
    if not curve:
        figure.text(0.5, 0.5, f"strength 1, not chosen: {strength['reason']}", ha="center", color=QUIET)
        return figure
    learning, keeping = figure.subplots(1, 2)
    _line(learning, curve, "val/top1", "new images, top-1", RIGHT)
    _line(learning, curve, "contrast/false_positive_rate", "other things called by a new name", WRONG)
    learning.set(ylim=(-0.03, 1.03), title="Learned")
    _line(keeping, curve, "lost", f"top-1 lost on\n{strength['judged_on']}", BLUE)
    for axes, kind in ((learning, "contrast"), (keeping, "retention")):
        budget = strength["budget"][kind]
        if budget is not None:
            axes.axhline(budget, color=WRONG, linestyle="--", linewidth=1, label=f"{kind}.budget")
    keeping.set(title="Forgotten" if "lost" in curve[0] else f"Forgotten: {NOT_MEASURED}")
    for axes in (learning, keeping):
        axes.axvline(strength["chosen"], color=QUIET, linewidth=1, linestyle=":", label="chosen")
        axes.set(xlabel="strength", xlim=(-0.03, 1.03))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(fontsize=8)
    return figure


def _line(axes: Axes, curve: list[dict[str, float]], key: str, name: str, colour: str) -> None:
    points = [(point["strength"], point[key]) for point in curve if key in point]
    if points:
        axes.plot(*zip(*points, strict=True), marker="o", markersize=4, color=colour, label=name)
