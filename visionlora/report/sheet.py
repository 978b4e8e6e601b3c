"""The before/after sheet: each picture with what the network said and says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont, ImageOps

from visionlora.files import replacing

Named = Sequence[tuple[str, float]]

SCALE = 2
"""Device pixels a layout unit, so that the sheet is sharp on dense screens."""
PICTURE, CARD_GAP, MARGIN, LINE, COLUMN = 132, 16, 24, 22, 190
COLUMNS = 2
LIMIT = 60
"""At most so many pictures; the sheet says how many more there are."""

INK, FAINT, PAPER, CARD = "#1f2430", "#7b8190", "#f4f2ee", "#ffffff"
RIGHT, WRONG, NEUTRAL = "#2e8b57", "#c2452d", "#8a93a6"


@dataclass(frozen=True)
class PredictionRow:
    """One picture of a sheet or table.

    Attributes:
        path: the picture.
        truth: its right name, None where nobody knows.
        before: (name, probability) of the frozen network, most probable first; None: it was not asked.
        after: the same of the adapted network.
    """

    path: Path
    truth: str | None
    before: Named | None
    after: Named


def same_name(one: str | None, other: str | None) -> bool:
    """Whether a folder's name and a category's mean the same: case, spaces and underscores do not count."""
    if one is None or other is None:
        return False
    return one.casefold().replace("_", " ") == other.casefold().replace("_", " ")


def before_after_sheet(rows: Sequence[PredictionRow], path: Path, *, compare: bool = True) -> None:
    """Draw ``rows`` into the PNG ``path``, written whole or not at all.

    Args:
        rows: what to show; the first 60 are drawn.
        path: where to.
        compare: whether there is a column for the frozen network.
    """
    shown = rows[:LIMIT]
    columns = min(COLUMNS, max(1, len(shown)))
    texts = 2 if compare else 1
    card_width = PICTURE + texts * COLUMN + 3 * 12
    lines = -(-len(shown) // columns)
    head, foot = 46, 30 if len(rows) > len(shown) else 0
    width = 2 * MARGIN + columns * card_width + (columns - 1) * CARD_GAP
    height = 2 * MARGIN + head + lines * (PICTURE + 24 + CARD_GAP) + foot
    sheet = Image.new("RGB", (width * SCALE, height * SCALE), PAPER)
    draw = ImageDraw.Draw(sheet)
    _text(draw, (MARGIN, MARGIN - 4), _title(rows, compare), 20, INK, bold=True)
    for place, row in enumerate(shown):
        left = MARGIN + (place % columns) * (card_width + CARD_GAP)
        top = MARGIN + head + (place // columns) * (PICTURE + 24 + CARD_GAP)
        _card(sheet, draw, row, left, top, card_width, compare)
    if foot:
        _text(draw, (MARGIN, height - MARGIN - 14), f"and {len(rows) - len(shown)} more", 13, FAINT)
    with replacing(path) as beside:
        sheet.save(beside, format="PNG", optimize=True)


def _title(rows: Sequence[PredictionRow], compare: bool) -> str:
    known = [row for row in rows if row.truth is not None]
    if not known:
        return f"{len(rows)} pictures"
    now = sum(_is_right(row.after, row.truth) for row in known)
    if not compare:
        return f"{now} of {len(known)} right"
    before = sum(_is_right(row.before or (), row.truth) for row in known)
    return f"before {before} of {len(known)} right, after {now} of {len(known)}"


def _is_right(named: Named, truth: str | None) -> bool:
    return bool(named) and same_name(named[0][0], truth)


def _card(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    row: PredictionRow,
    left: int,
    top: int,
    width: int,
    compare: bool,
) -> None:
    box = [left * SCALE, top * SCALE, (left + width) * SCALE, (top + PICTURE + 24) * SCALE]
    draw.rounded_rectangle(box, 10 * SCALE, fill=CARD)
    sheet.paste(_thumbnail(row.path), ((left + 12) * SCALE, (top + 12) * SCALE))
    column = left + PICTURE + 24
    if compare:
        _answer(draw, "before", row.before or (), row.truth, column, top + 12)
        column += COLUMN
    _answer(draw, "after" if compare else "", row.after, row.truth, column, top + 12)


def _thumbnail(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        upright = ImageOps.exif_transpose(picture).convert("RGBA")
    white = Image.new("RGBA", upright.size, "white")
    size = (PICTURE * SCALE, PICTURE * SCALE)
    return ImageOps.fit(Image.alpha_composite(white, upright).convert("RGB"), size)


def _answer(
    draw: ImageDraw.ImageDraw, title: str, named: Named, truth: str | None, left: int, top: int
) -> None:
    width = COLUMN - 16
    _text(draw, (left, top), title, 11, FAINT)
    if not named:
        _text(draw, (left, top + 18), "not asked", 13, FAINT)
    for place, (name, probability) in enumerate(named[:3]):
        y = top + (18 if title else 2) + place * 36
        right = same_name(name, truth)
        colour = (RIGHT if right else WRONG if place == 0 else NEUTRAL) if truth else NEUTRAL
        mark = ("✓ " if right else "✗ ") if truth and place == 0 else ""
        percent = f"{100 * probability:.0f} %"
        space = width - _width(percent, 12, False) - 6
        _text(draw, (left, y), _fit(mark + name, space, place == 0), 12, INK, bold=place == 0)
        _text(draw, (left + width - _width(percent, 12, False), y), percent, 12, FAINT)
        bar = [left * SCALE, (y + 18) * SCALE, (left + width) * SCALE, (y + 23) * SCALE]
        draw.rounded_rectangle(bar, 2 * SCALE, fill="#e8e6e1")
        length = max(4.0, width * probability)
        draw.rounded_rectangle([bar[0], bar[1], (left + length) * SCALE, bar[3]], 2 * SCALE, fill=colour)


@cache
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    # The fonts that matplotlib ships are there on every machine.
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(get_data_path()) / "fonts" / "ttf" / name, size * SCALE)


def _text(
    draw: ImageDraw.ImageDraw, at: tuple[float, float], text: str, size: int, fill: str, bold: bool = False
) -> None:
    draw.text((at[0] * SCALE, at[1] * SCALE), text, fill=fill, font=_font(size, bold))


def _width(text: str, size: int, bold: bool) -> float:
    return _font(size, bold).getlength(text) / SCALE


def _fit(text: str, width: float, bold: bool) -> str:
    if _width(text, 12, bold) <= width:
        return text
    while text and _width(text + "…", 12, bold) > width:
        text = text[:-1]
    return text + "…"
