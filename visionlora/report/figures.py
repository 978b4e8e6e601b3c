"""Figures for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from torch import Tensor

Pixels = NDArray[np.uint8]

MANY_CLASSES = 25
"""From here on a confusion matrix shows colours only: numbers would not be legible."""


def image_grid(images: Tensor, columns: int = 8, gap: int = 2) -> Pixels:
    """Images side by side on white.

    Args:
        images: uint8, or float from 0 to 1, shape (B, 3, H, W), B at least 1.
        columns: images in a row.
        gap: pixels between images.

    Returns:
        uint8, shape (height, width, 3).
    """
    if images.is_floating_point():
        images = (images.clamp(0, 1) * 255).round().to(torch.uint8)
    count, _, height, width = images.shape
    columns = min(columns, count)
    rows = -(-count // columns)
    grid = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for place, image in enumerate(images.cpu().permute(0, 2, 3, 1).numpy()):
        top, left = (place // columns) * (height + gap), (place % columns) * (width + gap)
        grid[top : top + height, left : left + width] = image
    return grid


def confusion_figure(counts: Tensor, names: Sequence[str]) -> Figure:
    """Truth by row, answer by column; each row's colours are shares of that row.

    Args:
        counts: shape (K, K).
        names: K names.
    """
    matrix = counts.cpu().numpy()
    few = len(names) <= MANY_CLASSES
    side = float(np.clip(2.5 + 0.45 * len(names), 4, 14))
    figure = Figure((side, side), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(matrix / np.maximum(matrix.sum(1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
    step = 1 if few else -(-len(names) // 40)
    places = range(0, len(names), step)
    axes.set_xticks(places, [names[place] for place in places], rotation=90, fontsize=9 if few else 6)
    axes.set_yticks(places, [names[place] for place in places], fontsize=9 if few else 6)
    axes.set(xlabel="the network says", ylabel="it is")
    if few:
        for row, column in np.argwhere(matrix > 0):
            colour = "white" if matrix[row, column] > 0.5 * matrix[row].sum() else "black"
            axes.text(column, row, str(matrix[row, column]), ha="center", va="center", color=colour)
    return figure


def update_size_figure(sizes: Mapping[str, float]) -> Figure:
    """Where did the network change? One bar a layer, from the input to the output.

    Args:
        sizes: layer name -> Frobenius norm of the update divided by the weight's.
    """
    figure = Figure((float(np.clip(0.28 * len(sizes), 6, 24)), 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.bar(range(len(sizes)), [100 * size for size in sizes.values()], color="#d9541e")
    axes.set_xticks(range(len(sizes)), list(sizes), rotation=90, fontsize=7)
    axes.set(
        ylabel="update, % of the weight", title="Where the network changed", xlim=(-0.6, len(sizes) - 0.4)
    )
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.grid(axis="y", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
