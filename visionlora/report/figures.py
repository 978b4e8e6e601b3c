"""Figures with axes: the confusion matrix, the size of the update, and the choice of the strength."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from visionlora.report.drawing import BLUE, GREEN, GREY_TEXT, RED
from visionlora.report.fonts import set_name
from visionlora.report.metrics_file import NOT_MEASURED

MAX_NUMBERED = 25
"""A confusion matrix of more classes shows colours only: numbers would be too small to read."""

MAX_TICKS = 40
"""An axis of more classes names every second, third, ... one."""


def confusion_figure(counts: Tensor, names: Sequence[str]) -> Figure:
    """Draw a confusion matrix: the true class by row, the predicted one by column.

    Colours are shares of the row.

    Args:
        counts: shape (K, K).
        names: K names.
    """
    matrix = counts.cpu().numpy()
    few = len(names) <= MAX_NUMBERED
    side = float(np.clip(2.5 + 0.45 * len(names), 4, 14))
    figure = Figure((side, side), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(matrix / np.maximum(matrix.sum(1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
    step = 1 if few else -(-len(names) // MAX_TICKS)
    shown = {index: names[index] for index in range(0, len(names), step)}
    _name_ticks(axes.xaxis, shown, size=9 if few else 6, rotation=90)
    _name_ticks(axes.yaxis, shown, size=9 if few else 6)
    axes.set(xlabel="predicted", ylabel="true")
    if few:
        for row, column in np.argwhere(matrix > 0):
            colour = "white" if matrix[row, column] > 0.5 * matrix[row].sum() else "black"
            axes.text(column, row, str(matrix[row, column]), ha="center", va="center", color=colour)
    return figure


def update_size_figure(sizes: Mapping[str, float]) -> Figure:
    """Draw how much each layer changed: one bar per layer, from the input to the output.

    Args:
        sizes: layer name -> Frobenius norm of the update divided by that of the weight.
    """
    figure = Figure((float(np.clip(0.28 * len(sizes), 6, 24)), 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.bar(range(len(sizes)), [100 * size for size in sizes.values()], color="#d9541e")
    _name_ticks(axes.xaxis, dict(enumerate(sizes)), size=7, rotation=90)
    axes.set(
        ylabel="norm of the update, % of the weight's",
        title="Size of the update by layer",
        xlim=(-0.6, len(sizes) - 0.4),
    )
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.grid(axis="y", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def strength_figure(strength: Mapping[str, Any]) -> Figure:
    """Draw what each strength of the adapter learns and forgets, with the budgets and the chosen strength.

    Left: top-1 on validation images and the false-positive rate on contrast images. Right: top-1 lost on old
    images.
    A budget is drawn at the value that the choice used: rounded up to whole images. Above it is a band of the
    shares whose 95 % interval still holds the budget.

    Args:
        strength: from ``metrics.json``. If no strength was chosen, the figure says why.
    """
    figure = Figure((9, 5), layout="constrained")
    curve = strength["curve"]
    if not curve:
        text = f"strength 1, not chosen: {strength['reason']}"
        figure.text(0.5, 0.5, text, ha="center", color=GREY_TEXT, parse_math=False, wrap=True)
        return figure
    learned, lost = figure.subplots(1, 2)
    learned_on, called_on = strength["learned_on"], strength["called_on"]
    _line(learned, curve, "val/top1", f"top-1 on {learned_on}", GREEN)
    _line(learned, curve, "contrast/false_positive_rate", f"false-positive rate on\n{called_on}", RED)
    _line(lost, curve, "lost", f"top-1 lost on\n{strength['judged_on']}", BLUE)
    _budget(learned, strength, "contrast", curve[0].get("contrast/false_positive_rate", 0.0))
    _budget(lost, strength, "retention")
    learned.set(ylim=(-0.03, 1.03), title="Learned")
    lost.set(title="Forgotten" if "lost" in curve[0] else f"Forgotten: {NOT_MEASURED}")
    _chosen(learned, strength, "contrast/false_positive_rate", "false_positives", RED)
    _chosen(lost, strength, "lost", "lost", BLUE)
    figure.suptitle("weights and strength were selected on these images", fontsize=9, color=GREY_TEXT)
    for axes in (learned, lost):
        axes.axvline(strength["chosen"], color=GREY_TEXT, linewidth=1, linestyle=":", label="chosen strength")
        axes.set(xlabel="strength", xlim=(-0.03, 1.03))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        # Below, where it covers no point.
        axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.16), frameon=False)
    return figure


def _name_ticks(axis: Axis, names: Mapping[int, str], size: float, rotation: float = 0) -> None:
    # The labels are set one by one: each name gets a font that has its characters.
    axis.set_ticks(list(names), [""] * len(names), rotation=rotation)
    labels = axis.get_ticklabels()
    for label, name in zip(labels, names.values(), strict=True):
        set_name(label, name, size)
    axis.set_ticks(list(names), [label.get_text() for label in labels], parse_math=False)


def _line(axes: Axes, curve: Sequence[Mapping[str, float]], key: str, label: str, colour: str) -> None:
    """A figure along the strength; points that are interpolated are hollow."""
    points = [(point["strength"], point[key]) for point in curve if key in point]
    if not points:
        return
    axes.plot(*zip(*points, strict=True), marker="o", markersize=4, color=colour, label=label)
    hollow = [(point["strength"], point[key]) for point in curve if key in point and not point["measured"]]
    if hollow:
        named = any(line.get_label() == "interpolated" for line in axes.lines)
        axes.plot(
            *zip(*hollow, strict=True), marker="o", markersize=4, linestyle="", color=colour,
            markerfacecolor="white", label=None if named else "interpolated",
        )  # fmt: skip


def _chosen(axes: Axes, strength: Mapping[str, Any], key: str, name: str, colour: str) -> None:
    """The 95 % interval of a figure at the chosen strength."""
    if f"{name}_interval" not in strength:
        return
    low, high = strength[f"{name}_interval"]
    value = next(point[key] for point in strength["curve"] if point["strength"] == strength["chosen"])
    below, above = max(0.0, value - low), max(0.0, high - value)
    axes.errorbar(
        [strength["chosen"]], [value], yerr=[[below], [above]], color=colour, capsize=4, linewidth=1.5,
        label="_95 % interval",
    )  # fmt: skip


def _budget(axes: Axes, strength: Mapping[str, Any], kind: str, frozen: float = 0.0) -> None:
    """A line at the value of ``kind``'s budget that the choice used; the label says both values.

    Args:
        axes: where to draw.
        strength: from ``metrics.json``.
        kind: "retention" or "contrast".
        frozen: the frozen network's own rate, which is allowed even where it exceeds the budget.
    """
    budget = strength["budget"][kind]
    if budget is None:
        return
    allowed = strength["allowed"][kind]
    label = f"{kind}.budget {budget:g}"
    if allowed > budget + 1e-4:
        reason = "as before training" if allowed == frozen else "rounded up to whole images"
        label += f",\n{reason}: {allowed:.3f}"
    axes.axhline(allowed, color=RED, linestyle="--", linewidth=1, label=label)
    plausible = strength["plausible"][kind]
    if plausible > allowed:
        label = f"95 % interval of so few images:\nup to {plausible:.3f}"
        axes.axhspan(allowed, plausible, color=RED, alpha=0.12, linewidth=0, label=label)
