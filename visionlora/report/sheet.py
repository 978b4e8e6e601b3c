"""Sheets of images with what a network says about them: the run's ``before_after.png``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageOps

from visionlora.errors import VisionLoraError
from visionlora.files import replacing
from visionlora.report.drawing import (
    BLUE,
    CARD,
    GREY,
    GROUND,
    INK,
    QUIET,
    RIGHT,
    TRACK,
    WRONG,
    fitted,
    font,
    mark,
    rounded,
    rounded_image,
)

Named = Sequence[tuple[str, float]]
"""(name, probability from 0 to 1), the most probable first."""

LIMIT = 60
"""At most so many images; the sheet says how many more there are."""

NAMES = 3
MARGIN, GAP, PAD = 36, 20, 20
IMAGE, COLUMN, BETWEEN = 200, 236, 28
HEAD, FOOT, LINE = 110, 44, 44
CARD_HEIGHT = IMAGE + 2 * PAD


@dataclass(frozen=True)
class PredictionRow:
    """One image of a sheet or table.

    Attributes:
        path: the image.
        truth: its right name, None where nobody knows.
        before: what the frozen network says; None where it was not asked or has no such outputs.
        after: what the adapted network says.
    """

    path: Path
    truth: str | None
    before: Named | None
    after: Named

    def right(self, named: Named | None) -> bool | None:
        """Whether the most probable name is the true one; None where there is no truth or no answer."""
        return None if self.truth is None or not named else same_name(named[0][0], self.truth)


def same_name(one: str | None, other: str | None) -> bool:
    """Whether a folder's name and a category's mean the same: case, spaces and underscores do not count."""
    return one is not None and other is not None and _readable(one).casefold() == _readable(other).casefold()


@dataclass(frozen=True)
class _Layout:
    """Where the cards of a sheet lie; all numbers in pixels."""

    cards: int
    compare: bool

    @property
    def columns(self) -> int:
        return max(1, min(self.cards, 2 if self.compare else 3))

    @property
    def card_width(self) -> int:
        return 2 * PAD + IMAGE + (2 if self.compare else 1) * (COLUMN + BETWEEN)

    def place(self, card: int) -> tuple[int, int]:
        row, column = divmod(card, self.columns)
        return MARGIN + column * (self.card_width + GAP), HEAD + row * (CARD_HEIGHT + GAP)

    def size(self, more: bool) -> tuple[int, int]:
        rows = math.ceil(self.cards / self.columns)
        width = 2 * MARGIN + self.columns * (self.card_width + GAP) - GAP
        height = HEAD + max(0, rows * (CARD_HEIGHT + GAP) - GAP) + MARGIN + (FOOT if more else 0)
        return width, height


def before_after_sheet(
    rows: Sequence[PredictionRow],
    path: str | Path,
    *,
    compare: bool = True,
    title: str | None = None,
    line: str | None = None,
) -> None:
    """Draw every image with its true name, the network's answer before and now; a PNG, whole or not at all.

    Right and wrong are told by colour and by a tick or a cross. With more than 60 images the sheet shows
    60, evenly spaced, and says how many there are besides; the counts in its head are over all of them.

    Args:
        rows: one an image.
        path: where to.
        compare: whether there is a column for the frozen network.
        title: another heading than "Before and after" or "Predictions".
        line: what stands below it, instead of the counts of right answers.

    Raises:
        VisionLoraError: an image cannot be read.
    """
    shown = _spread(rows, LIMIT)
    more = len(rows) - len(shown)
    layout = _Layout(len(shown), compare)
    sheet = Image.new("RGB", layout.size(more > 0), GROUND)
    _draw_head(sheet, rows, compare, title, line)
    for card, row in enumerate(shown):
        _draw_card(sheet, row, layout.place(card), layout)
    if more:
        place = (sheet.width / 2, sheet.height - (MARGIN + FOOT) / 2)
        ImageDraw.Draw(sheet).text(place, f"and {_images(more, 'more ')}", QUIET, font(20), anchor="mm")
    with replacing(path) as beside:
        sheet.save(beside, format="PNG", optimize=True)


def _spread(rows: Sequence[PredictionRow], limit: int) -> list[PredictionRow]:
    """At most ``limit`` rows, evenly spaced: rows come class by class, and every class has its chance."""
    if len(rows) <= limit:
        return list(rows)
    return [rows[place * len(rows) // limit] for place in range(limit)]


def _draw_head(
    sheet: Image.Image, rows: Sequence[PredictionRow], compare: bool, title: str | None, line: str | None
) -> None:
    pen = ImageDraw.Draw(sheet)
    title = title or ("Before and after" if compare else "Predictions")
    pen.text((MARGIN, 50), title, INK, font(34, bold=True), anchor="ls")
    x, text = MARGIN, font(20)
    if line is not None:
        pen.text((x, 84), fitted(line, text, sheet.width - 2 * MARGIN), QUIET, text, anchor="ls")
        return
    pieces = [("before", [row.right(row.before) for row in rows])] if compare else []
    pieces.append(("now" if compare else "right", [row.right(row.after) for row in rows]))
    judged = [(word, [one for one in marks if one is not None]) for word, marks in pieces]
    if not any(marks for _, marks in judged):
        pen.text((x, 84), _images(len(rows)), QUIET, text, anchor="ls")
        return
    for word, marks in judged:
        if marks:
            what = f"{word}: {sum(marks)} of {len(marks)}" + (" right" if compare else "")
            pen.text((x, 84), what, QUIET, text, anchor="ls")
            x += round(text.getlength(what)) + 40


def _draw_card(sheet: Image.Image, row: PredictionRow, place: tuple[int, int], layout: _Layout) -> None:
    left, top = place
    rounded(sheet, (left, top, left + layout.card_width, top + CARD_HEIGHT), 18, CARD)
    _draw_image(sheet, row.path, (left + PAD, top + PAD))
    x, y = left + PAD + IMAGE + BETWEEN, top + PAD
    width = left + layout.card_width - PAD - x
    known = row.truth is not None
    face, name = font(22 if known else 18, bold=known), _readable(row.truth) if row.truth else row.path.name
    ImageDraw.Draw(sheet).text((x, y + 19), fitted(name, face, width), INK, face, anchor="ls")
    if layout.compare:
        _draw_answer(sheet, "before", row.before, row.truth, (x, y + 34))
        x += COLUMN + BETWEEN
    _draw_answer(sheet, "now" if layout.compare else "", row.after, row.truth, (x, y + 34))


def _draw_image(sheet: Image.Image, path: Path, place: tuple[int, int]) -> None:
    """The whole image, uncropped, in the middle of its square."""
    left, top = place
    rounded(sheet, (left, top, left + IMAGE, top + IMAGE), 12, GROUND)
    image = ImageOps.contain(_opened(path), (IMAGE, IMAGE), Image.Resampling.LANCZOS)
    corner = left + (IMAGE - image.width) // 2, top + (IMAGE - image.height) // 2
    rounded_image(sheet, image, corner, 12)


def _draw_answer(
    sheet: Image.Image, heading: str, answer: Named | None, truth: str | None, place: tuple[int, int]
) -> None:
    """One column: the heading with its mark, and a bar for each of the most probable names."""
    x, y = place
    right = same_name(answer[0][0], truth) if answer and truth is not None else None
    pen = ImageDraw.Draw(sheet)
    word = heading or {True: "right", False: "wrong", None: ""}[right]
    if right is not None:
        mark(sheet, (x + 11, y + 12), right)
    pen.text((x + (0 if right is None else 30), y + 18), word, QUIET, font(16), anchor="ls")
    if not answer:
        pen.text((x, y + 52), "no answer", QUIET, font(17), anchor="ls")
        return
    colour = {True: RIGHT, False: WRONG, None: BLUE}[right]
    for line, (name, probability) in enumerate(answer[:NAMES]):
        top = y + 32 + line * LINE
        first = line == 0
        face, ink = font(17, bold=first), colour if first else INK
        percent = f"{100 * probability:.0f} %"
        room = COLUMN - 12 - font(16).getlength(percent)
        pen.text((x, top + 19), fitted(_readable(name), face, room), ink, face, anchor="ls")
        pen.text((x + COLUMN, top + 19), percent, ink if first else QUIET, font(16), anchor="rs")
        rounded(sheet, (x, top + 26, x + COLUMN, top + 34), 4, TRACK)
        # A bar too short for its own round ends would not show at all.
        length = max(round(COLUMN * min(max(probability, 0.0), 1.0)), 3)
        bar = colour if first else RIGHT if same_name(name, truth) else GREY
        rounded(sheet, (x, top + 26, x + length, top + 34), 4, bar)


def _opened(path: Path) -> Image.Image:
    """RGB, the right way up; transparent parts white."""
    try:
        with Image.open(path) as image:
            image.draft("RGB", (2 * IMAGE, 2 * IMAGE))
            image = ImageOps.exif_transpose(image)
            if image.mode.startswith("I"):
                return image.point(lambda value: value / 256).convert("L").convert("RGB")
            if "A" in image.getbands() or "transparency" in image.info:
                clear = image.convert("RGBA")
                white = Image.new("RGBA", clear.size, "white")
                return Image.alpha_composite(white, clear).convert("RGB")
            return image.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise VisionLoraError(f"sheet: cannot read {path} ({error}); leave this image out") from error


def _images(count: int, more: str = "") -> str:
    return f"{count} {more}image{'' if count == 1 else 's'}"


def _readable(name: str) -> str:
    """A class's name for people: ``fire_engine`` is "fire engine"."""
    return " ".join(name.replace("_", " ").split())
