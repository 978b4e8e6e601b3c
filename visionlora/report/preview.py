"""``preview.png`` of an adapter: a few images before and after, and the figures, 512 x 768 pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from visionlora.data.images.decode import BadImage, open_image
from visionlora.files import replacing
from visionlora.report.card_metadata import figures_of_run, images_of_run
from visionlora.report.drawing import (
    BACKGROUND,
    BLACK_TEXT,
    CARD,
    GREY_TEXT,
    draw_mark,
    draw_text,
    fill_rounded,
    paste_rounded,
)
from visionlora.report.metrics_file import learned_figure
from visionlora.report.sheet import PredictionRow, TopNames
from visionlora.text import counted, percent

WIDTH, HEIGHT = 512, 768
IMAGES = 3
_MARGIN, _TOP, _CARD, _GAP, _SIDE = 24, 108, 160, 12, 136
_FIGURES_TOP = _TOP + IMAGES * (_CARD + _GAP) + 4


def write_preview(rows: Sequence[PredictionRow], metrics: Mapping[str, Any], path: Path) -> None:
    """Write the preview.

    Args:
        rows: validation images with the predictions before and after; a few of them are shown.
        metrics: the content of the run's ``metrics.json``.
        path: of the file.
    """
    canvas = Image.new("RGB", (WIDTH, HEIGHT), BACKGROUND)
    inner = WIDTH - 2 * _MARGIN
    names = ", ".join(metrics["classes"])
    draw_text(canvas, (_MARGIN, 52), names, 30, BLACK_TEXT, bold=True, width=inner)
    count = len(metrics["classes"])
    words = f"{metrics['model']['used']}, {count} {'class' if count == 1 else 'classes'}"
    draw_text(canvas, (_MARGIN, 84), words, 18, GREY_TEXT, width=inner)
    shown = _chosen(rows)
    for place, row in enumerate(shown):
        _draw_row(canvas, row, _TOP + place * (_CARD + _GAP))
    if not shown:
        draw_text(canvas, (WIDTH / 2, _TOP + 80), "no validation images", 20, GREY_TEXT, anchor="mm")
    _draw_figures(canvas, metrics)
    with replacing(path) as beside:
        canvas.save(beside, "PNG")


def _chosen(rows: Sequence[PredictionRow]) -> list[PredictionRow]:
    """Images of different classes first, in the order of their names: how well it went chooses nothing."""
    first: dict[str | None, PredictionRow] = {}
    ordered = sorted(rows, key=lambda row: str(row.path))
    for row in ordered:
        first.setdefault(row.truth, row)
    others = [row for row in ordered if all(row is not one for one in first.values())]
    return [*first.values(), *others][:IMAGES]


def _draw_row(canvas: Image.Image, row: PredictionRow, top: int) -> None:
    fill_rounded(canvas, (_MARGIN, top, WIDTH - _MARGIN, top + _CARD), 14, CARD)
    try:
        image = ImageOps.fit(open_image(row.path, shorter_side=_SIDE), (_SIDE, _SIDE))
        paste_rounded(canvas, image, (_MARGIN + 12, top + 12), 10)
    except BadImage:  # it has gone since it was measured
        draw_text(canvas, (_MARGIN + 80, top + 80), "no image", 16, GREY_TEXT, anchor="mm")
    left = _MARGIN + _SIDE + 28
    width = WIDTH - _MARGIN - left - 16
    draw_text(canvas, (left, top + 34), row.truth or row.path.name, 18, BLACK_TEXT, bold=True, width=width)
    for title, prediction, down in (("before", row.before, 66), ("after", row.after, 114)):
        draw_text(canvas, (left, top + down), title, 14, GREY_TEXT)
        _draw_prediction(canvas, row, prediction, (left, top + down + 22), width)


def _draw_prediction(
    canvas: Image.Image, row: PredictionRow, prediction: TopNames | None, place: tuple[int, int], width: int
) -> None:
    if not prediction:
        draw_text(canvas, place, "-", 18, GREY_TEXT)
        return
    correct = row.is_correct(prediction)
    shift = 0
    if correct is not None:
        draw_mark(canvas, (place[0] + 9, place[1] - 6), correct, 18)
        shift = 26
    name, share = prediction[0]
    draw_text(canvas, (place[0] + shift, place[1]), name, 18, BLACK_TEXT, width=width - shift - 56)
    end = (place[0] + width, place[1])
    draw_text(canvas, end, percent(share), 18, GREY_TEXT, anchor="rs")


def _draw_figures(canvas: Image.Image, metrics: Mapping[str, Any]) -> None:
    figures, images = figures_of_run(metrics), images_of_run(metrics)
    width = (WIDTH - 2 * _MARGIN - 2 * _GAP) // 3
    titles = {"learned": "learned", "forgotten": "forgotten", "false_positives": "false positives"}
    for place, (key, title) in enumerate(titles.items()):
        left = _MARGIN + place * (width + _GAP)
        fill_rounded(canvas, (left, _FIGURES_TOP, left + width, HEIGHT - 44), 14, CARD)
        value = figures[key]
        shown = "-" if value is None else percent(value, 1)
        draw_text(canvas, (left + 14, _FIGURES_TOP + 28), title, 15, GREY_TEXT)
        draw_text(canvas, (left + 14, _FIGURES_TOP + 60), shown, 26, BLACK_TEXT, bold=True)
        if value is not None:
            words = counted(images[key], "image")
            draw_text(canvas, (left + 14, _FIGURES_TOP + 82), words, 13, GREY_TEXT)
    figure = learned_figure(metrics)[1]
    note = f"{figure} on images it was not trained on; - : not measured"
    if figures["selected"]:
        note = f"{figure} on images that also selected the weights; - : not measured"
    draw_text(canvas, (_MARGIN, HEIGHT - 18), note, 13, GREY_TEXT, width=WIDTH - 2 * _MARGIN)
