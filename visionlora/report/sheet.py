"""Sheets of images with a network's predictions, such as a run's ``before_after.png``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from visionlora.data.images.decode import open_image
from visionlora.files import replacing
from visionlora.report.drawing import (
    BACKGROUND,
    BLACK_TEXT,
    BLUE,
    CARD,
    GREEN,
    GREY,
    GREY_TEXT,
    RED,
    TRACK,
    draw_mark,
    draw_text,
    fill_rounded,
    paste_rounded,
    text_width,
)
from visionlora.text import percent, printable

TopNames = Sequence[tuple[str, float]]
"""(class name, probability from 0 to 1), the most probable first."""

MAX_IMAGES = 60
"""A sheet shows at most so many images, and says how many more there are."""

MAX_RANKED = 24
"""The same where the most important images come first: more of them nobody looks at."""

NAMES = 3
MARGIN, GAP, PAD = 36, 20, 20
IMAGE, COLUMN, BETWEEN = 200, 236, 28
HEAD, FOOT, LINE = 110, 44, 44
FILE_NAME = 24
CARD_HEIGHT = IMAGE + 2 * PAD + FILE_NAME


@dataclass(frozen=True)
class PredictionRow:
    """One image of a sheet or table.

    Attributes:
        path: the image file.
        truth: the name of its class; None if it is not known.
        before: the frozen network's prediction; None if there is none.
        after: the adapted network's prediction.
    """

    path: Path
    truth: str | None
    before: TopNames | None
    after: TopNames

    def is_correct(self, prediction: TopNames | None) -> bool | None:
        """Whether the most probable class is the true one; None without a true class or a prediction."""
        return None if self.truth is None or not prediction else same_name(prediction[0][0], self.truth)


def same_name(one: str | None, other: str | None) -> bool:
    """Whether a folder's name and a category's are the same, ignoring case, spaces and underscores."""
    return one is not None and other is not None and _spaced(one).casefold() == _spaced(other).casefold()


@dataclass(frozen=True)
class _Layout:
    """Positions of the cards on a sheet, in pixels."""

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
    total: int | None = None,
    ranked: bool = False,
) -> None:
    """Write a PNG with every image, its name and true class, and the predictions before and after training.

    Colours and a tick or a cross tell correct from wrong. A sheet shows at most ``MAX_IMAGES`` images, evenly
    spaced, or the first ``MAX_RANKED`` of a ranking, and says how many more there are; the counts at its top
    are over all of them. The file is written completely or not at all.

    Args:
        rows: one per image.
        path: the file to write.
        compare: whether there is a column for the frozen network.
        title: another title than "Before and after" or "Predictions".
        line: a line under the title in place of the counts of correct predictions.
        total: how many images there are, where ``rows`` are only the first of them.
        ranked: whether the most important images come first.

    Raises:
        visionlora.data.images.decode.BadImage: an image cannot be read.
    """
    shown = list(rows[:MAX_RANKED]) if ranked else _evenly_spaced(rows, MAX_IMAGES)
    more = max(total or 0, len(rows)) - len(shown)
    layout = _Layout(len(shown), compare)
    sheet = Image.new("RGB", layout.size(more > 0), BACKGROUND)
    draw_text(sheet, (MARGIN, 50), title or _title(compare), 34, BLACK_TEXT, bold=True)
    width = sheet.width - 2 * MARGIN
    draw_text(sheet, (MARGIN, 84), line or _counts(rows, compare, total), 20, GREY_TEXT, width=width)
    for card, row in enumerate(shown):
        _draw_card(sheet, row, layout.place(card), layout)
    if more:
        centre = (sheet.width / 2, sheet.height - (MARGIN + FOOT) / 2)
        draw_text(sheet, centre, f"and {_images(more, 'more ')}", 20, GREY_TEXT, anchor="mm")
    with replacing(path) as beside:
        sheet.save(beside, format="PNG")  # optimize=True takes four times as long for 2 % less


def _evenly_spaced(rows: Sequence[PredictionRow], limit: int) -> list[PredictionRow]:
    """At most ``limit`` rows, evenly spaced: rows are sorted by class, and every class should appear."""
    if len(rows) <= limit:
        return list(rows)
    return [rows[place * len(rows) // limit] for place in range(limit)]


def _title(compare: bool) -> str:
    return "Before and after" if compare else "Predictions"


def _counts(rows: Sequence[PredictionRow], compare: bool, total: int | None) -> str:
    """The correct predictions before and after in words; the number of images where no class is known."""
    columns = [("before: ", [row.is_correct(row.before) for row in rows])] if compare else []
    columns.append(("after: " if compare else "", [row.is_correct(row.after) for row in rows]))
    counts = []
    for heading, column in columns:
        known = [correct for correct in column if correct is not None]
        if known:
            counts.append(f"{heading}{sum(known)} of {len(known)} correct")
    return "     ".join(counts) or _images(total or len(rows))


def _draw_card(sheet: Image.Image, row: PredictionRow, place: tuple[int, int], layout: _Layout) -> None:
    left, top = place
    fill_rounded(sheet, (left, top, left + layout.card_width, top + CARD_HEIGHT), 18, CARD)
    _draw_image(sheet, row.path, (left + PAD, top + PAD))
    x, y = left + PAD + IMAGE + BETWEEN, top + PAD
    width = left + layout.card_width - PAD - x
    if row.truth is not None:
        draw_text(sheet, (x, y + 19), _readable(row.truth), 22, BLACK_TEXT, bold=True, width=width)
        below = (left + PAD, top + PAD + IMAGE + FILE_NAME - 4)
        draw_text(sheet, below, row.path.name, 15, GREY_TEXT, width=IMAGE)
    else:
        draw_text(sheet, (x, y + 19), row.path.name, 18, BLACK_TEXT, width=width)
    if layout.compare:
        _draw_prediction(sheet, "before", row.before, row.truth, (x, y + 34))
        x += COLUMN + BETWEEN
    _draw_prediction(sheet, "after" if layout.compare else "", row.after, row.truth, (x, y + 34))


def _draw_image(sheet: Image.Image, path: Path, place: tuple[int, int]) -> None:
    """Draw the whole image, not cropped, in the middle of its square."""
    left, top = place
    fill_rounded(sheet, (left, top, left + IMAGE, top + IMAGE), 12, BACKGROUND)
    opened = open_image(path, shorter_side=IMAGE)
    image = ImageOps.contain(opened, (IMAGE, IMAGE), Image.Resampling.LANCZOS)
    corner = left + (IMAGE - image.width) // 2, top + (IMAGE - image.height) // 2
    paste_rounded(sheet, image, corner, 12)


def _draw_prediction(
    sheet: Image.Image, heading: str, prediction: TopNames | None, truth: str | None, place: tuple[int, int]
) -> None:
    """Draw one column: its heading with a mark, and a bar for each of the most probable classes."""
    x, y = place
    correct = same_name(prediction[0][0], truth) if prediction and truth is not None else None
    if correct is not None:
        draw_mark(sheet, (x + 11, y + 12), correct)
    word = heading or {True: "correct", False: "wrong", None: ""}[correct]
    draw_text(sheet, (x + (0 if correct is None else 30), y + 18), word, 16, GREY_TEXT)
    if not prediction:
        draw_text(sheet, (x, y + 52), "no prediction", 17, GREY_TEXT)
        return
    first_colour = {True: GREEN, False: RED, None: BLUE}[correct]
    for line, (name, probability) in enumerate(prediction[:NAMES]):
        top = y + 32 + line * LINE
        first = line == 0
        share = percent(probability)
        width = COLUMN - 12 - text_width(share, 16)
        text_colour = first_colour if first else BLACK_TEXT
        draw_text(sheet, (x, top + 19), _readable(name), 17, text_colour, bold=first, width=width)
        share_colour = first_colour if first else GREY_TEXT
        draw_text(sheet, (x + COLUMN, top + 19), share, 16, share_colour, anchor="rs")
        bar_colour = first_colour if first else GREEN if same_name(name, truth) else GREY
        _draw_bar(sheet, (x, top + 26), probability, bar_colour)


def _draw_bar(sheet: Image.Image, place: tuple[int, int], probability: float, colour: str) -> None:
    x, top = place
    # A shorter bar than 3 pixels would disappear behind its own round corners.
    length = max(round(COLUMN * min(max(probability, 0.0), 1.0)), 3)
    fill_rounded(sheet, (x, top, x + COLUMN, top + 8), 4, TRACK)
    fill_rounded(sheet, (x, top, x + length, top + 8), 4, colour)


def _images(count: int, more: str = "") -> str:
    return f"{count:,} {more}image{'' if count == 1 else 's'}"


def _readable(name: str) -> str:
    """A class name for people: ``fire_engine`` becomes "fire engine", control characters escapes."""
    return _spaced(printable(name))


def _spaced(name: str) -> str:
    return " ".join(name.replace("_", " ").split())
