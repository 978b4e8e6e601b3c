"""Smooth shapes and texts on Pillow images; Pillow itself draws shapes with hard edges."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from PIL import Image, ImageDraw

from visionlora.report.fonts import drawable, pillow_font

BLACK_TEXT = "#1f2733"
GREY_TEXT = "#6b7480"
BACKGROUND = "#f3f5f8"
CARD = "#ffffff"
TRACK = "#e9ecf1"
GREY = "#b4bcc8"
BLUE = "#2f6db3"
GREEN = "#16805c"
RED = "#c9432b"

_OVERSAMPLING = 4
"""Shapes are drawn this many times larger and then reduced, which smooths their edges."""

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; the last two are outside the box."""


def text_width(text: str, size: int) -> float:
    """Width in pixels of a text that :func:`draw_text` draws."""
    shown, file = drawable(text, bold=False)
    return pillow_font(file, size).getlength(shown)


def draw_text(
    canvas: Image.Image,
    place: tuple[float, float],
    text: str,
    size: int,
    colour: str,
    *,
    bold: bool = False,
    anchor: str = "ls",
    width: float | None = None,
) -> None:
    """Draw one line of text in a font that has its characters.

    Args:
        canvas: where to draw.
        place: x and y of the anchor in pixels.
        text: what to draw; control characters become escapes.
        size: in pixels.
        colour: a name or "#rrggbb".
        bold: whether the font is bold.
        anchor: Pillow's text anchor; "ls" is left, baseline.
        width: pixels; the end of a wider text is replaced by "…".
    """
    shown, file = drawable(text, bold)
    font = pillow_font(file, size)
    if width is not None:
        shown = shortened(shown, font.getlength, width)
    ImageDraw.Draw(canvas).text(place, shown, colour, font, anchor=anchor)


def shortened(text: str, measure: Callable[[str], float], width: float) -> str:
    """``text``, its end replaced by "…" if it measures more than ``width``."""
    if measure(text) <= width:
        return text
    for length in range(len(text) - 1, 0, -1):
        shorter = text[:length].rstrip() + "…"
        if measure(shorter) <= width:
            return shorter
    return "…"


def fill_rounded(canvas: Image.Image, box: Box, radius: int, colour: str) -> None:
    """Fill a box with round corners."""
    if box[2] > box[0] and box[3] > box[1]:
        canvas.paste(colour, box, _rounded_mask(box[2] - box[0], box[3] - box[1], radius))


def paste_rounded(canvas: Image.Image, image: Image.Image, place: tuple[int, int], radius: int) -> None:
    """Paste an image with round corners at ``place`` (left, top)."""
    canvas.paste(image, place, _rounded_mask(*image.size, radius))


def draw_mark(canvas: Image.Image, centre: tuple[int, int], correct: bool, size: int = 22) -> None:
    """Draw a disc with a tick (correct) or a cross (wrong), which differ without colour too."""
    tile = _mark(correct, size)
    canvas.paste(tile, (centre[0] - size // 2, centre[1] - size // 2), tile)


@lru_cache(maxsize=256)
def _rounded_mask(width: int, height: int, radius: int) -> Image.Image:
    mask = Image.new("L", (width * _OVERSAMPLING, height * _OVERSAMPLING))
    radius = min(radius, width // 2, height // 2)
    everything = (0, 0, width * _OVERSAMPLING - 1, height * _OVERSAMPLING - 1)
    ImageDraw.Draw(mask).rounded_rectangle(everything, radius * _OVERSAMPLING, 255)
    return mask.reduce(_OVERSAMPLING)


@lru_cache
def _mark(correct: bool, size: int) -> Image.Image:
    side = size * _OVERSAMPLING
    colour = GREEN if correct else RED
    tile = Image.new("RGBA", (side, side), colour + "00")
    draw = ImageDraw.Draw(tile)
    draw.ellipse((0, 0, side - 1, side - 1), colour)
    strokes = (
        [[(0.27, 0.53), (0.43, 0.69), (0.74, 0.34)]]
        if correct
        else [[(0.32, 0.32), (0.68, 0.68)], [(0.68, 0.32), (0.32, 0.68)]]
    )
    for stroke in strokes:
        points = [(x * side, y * side) for x, y in stroke]
        draw.line(points, "white", width=round(0.12 * side), joint="curve")
        for x, y in points:
            end = 0.06 * side
            draw.ellipse((x - end, y - end, x + end, y + end), "white")
    return tile.reduce(_OVERSAMPLING)
