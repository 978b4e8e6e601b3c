from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from visionlora.report.figures import confusion_figure, image_grid, update_size_figure


def _pixels(figure: Figure) -> np.ndarray:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def _labels(figure: Figure) -> list[str]:
    return [label.get_text() for label in figure.axes[0].get_xticklabels()]


def test_a_grid_holds_every_image_in_reading_order() -> None:
    images = torch.arange(5, dtype=torch.uint8).mul(40).view(5, 1, 1, 1).expand(5, 3, 6, 4)
    grid = image_grid(images, columns=2, gap=1)
    assert grid.shape == (3 * 6 + 2, 2 * 4 + 1, 3)
    assert grid.dtype == np.uint8
    corners = [grid[row * 7, column * 5, 0] for row in range(3) for column in range(2)]
    assert corners == [0, 40, 80, 120, 160, 255]


def test_float_images_make_the_same_grid_as_bytes() -> None:
    images = torch.randint(0, 256, (3, 3, 5, 5), dtype=torch.uint8)
    assert np.array_equal(image_grid(images.float() / 255), image_grid(images))


def test_floats_beyond_white_stay_white() -> None:
    assert image_grid(torch.full((1, 3, 2, 2), 1.7)).min() == 255


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


def test_each_row_of_a_confusion_matrix_is_shaded_by_its_own_share() -> None:
    figure = confusion_figure(torch.tensor([[1, 1, 0], [0, 100, 0], [0, 0, 0]]), list("abc"))
    shades = np.asarray(figure.axes[0].images[0].get_array())
    assert np.array_equal(shades, [[0.5, 0.5, 0], [0, 1, 0], [0, 0, 0]])


@pytest.mark.parametrize("layers", [1, 19, 160])
def test_every_layer_has_its_bar(layers: int) -> None:
    sizes = {f"features.{k}": 0.01 * (k + 1) for k in range(layers)}
    figure = update_size_figure(sizes)
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    assert heights == pytest.approx([100 * size for size in sizes.values()])
    assert _pixels(figure).shape[1] <= 2500


def test_figures_leave_no_global_state() -> None:
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    update_size_figure({"a": 0.1})
    confusion_figure(torch.eye(2), ["a", "b"])
    assert plt.get_fignums() == before
