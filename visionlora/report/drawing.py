"""Fonts and smooth shapes on a Pillow image, which draws both with hard edges by itself."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont

INK = "#1f2733"
QUIET = "#6b7480"
GROUND = "#f3f5f8"
CARD = "#ffffff"
TRACK = "#e9ecf1"
GREY = "#b4bcc8"
BLUE = "#2f6db3"
RIGHT = "#16805c"
WRONG = "#c9432b"

_FINER = 4
"""Shapes are drawn so many times larger and reduced: that is their smoothness."""

Box = tuple[int, int, int, int]


@lru_cache
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib, in pixels."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, size)


def fitted(text: str, face: ImageFont.FreeTypeFont, width: float) -> str:
    """``text``, its end replaced by "…" where it is wider than ``width`` pixels."""
    if face.getlength(text) <= width:
        return text
    for length in range(len(text) - 1, 0, -1):
        shorter = text[:length].rstrip() + "…"
        if face.getlength(shorter) <= width:
            return shorter
    return "…"


def rounded(canvas: Image.Image, box: Box, radius: int, colour: str) -> None:
    """Fill a box with round corners; left, top, right, bottom in pixels, the last two outside of it."""
    if box[2] > box[0] and box[3] > box[1]:
        canvas.paste(colour, box, _mask(box[2] - box[0], box[3] - box[1], radius))


def rounded_image(canvas: Image.Image, image: Image.Image, place: tuple[int, int], radius: int) -> None:
    """Put an image with round corners at ``place`` (left, top)."""
    canvas.paste(image, place, _mask(*image.size, radius))


def mark(canvas: Image.Image, centre: tuple[int, int], right: bool, size: int = 22) -> None:
    """A disc with a tick (right) or a cross (wrong): told apart without colour, too."""
    tile = _mark(right, size)
    canvas.paste(tile, (centre[0] - size // 2, centre[1] - size // 2), tile)


@lru_cache(maxsize=256)
def _mask(width: int, height: int, radius: int) -> Image.Image:
    mask = Image.new("L", (width * _FINER, height * _FINER))
    radius = min(radius, width // 2, height // 2)
    whole = (0, 0, width * _FINER - 1, height * _FINER - 1)
    ImageDraw.Draw(mask).rounded_rectangle(whole, radius * _FINER, 255)
    return mask.reduce(_FINER)


@lru_cache
def _mark(right: bool, size: int) -> Image.Image:
    side = size * _FINER
    tile = Image.new("RGBA", (side, side), (RIGHT if right else WRONG) + "00")
    pen = ImageDraw.Draw(tile)
    pen.ellipse((0, 0, side - 1, side - 1), RIGHT if right else WRONG)
    strokes = (
        [[(0.27, 0.53), (0.43, 0.69), (0.74, 0.34)]]
        if right
        else [[(0.32, 0.32), (0.68, 0.68)], [(0.68, 0.32), (0.32, 0.68)]]
    )
    for stroke in strokes:
        points = [(x * side, y * side) for x, y in stroke]
        pen.line(points, "white", width=round(0.12 * side), joint="curve")
        for x, y in points:
            end = 0.06 * side
            pen.ellipse((x - end, y - end, x + end, y + end), "white")
    return tile.reduce(_FINER)
