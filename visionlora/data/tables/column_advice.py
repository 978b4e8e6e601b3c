"""What to do about a table of which nobody can say where its paths or labels are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from visionlora.data.files.formats import SUFFIXES, is_image_name
from visionlora.data.tables.cells import Body, is_pixel, repeats, share
from visionlora.data.tables.column_names import LABEL_COLUMNS, PATH_COLUMNS
from visionlora.errors import VisionLoraError
from visionlora.text import listed

_NAME_AND_MORE = re.compile(
    rf".+(?:{'|'.join(map(re.escape, sorted(SUFFIXES)))})[ _:;|-]+[^/.]+", re.IGNORECASE
)
"""``0011165.jpg_Fish``: the name of an image and something behind it."""
_DECIMAL = re.compile(r"[01]?\.\d+|[01](\.0*)?|\d(\.\d+)?e-\d+", re.IGNORECASE)
_BOX = 4
"""Numbers of a box."""
_SHOWN = 3


def refuse_columns(
    path: Path, first: Sequence[str], names: Sequence[str], body: Body, where: int | None
) -> None:
    """Refuse a table without a known column of paths or labels.

    Args:
        path: the table.
        first: its first row.
        names: the same as :func:`visionlora.data.tables.column_names.key_of` has them.
        body: the rows below.
        where: the column of paths; None: there is none.

    Raises:
        VisionLoraError: it lists the columns and the names that are understood, and what to do if that shows.
    """
    if where is None and any(map(is_pixel, names)):
        raise VisionLoraError(f"{path} holds the pixels themselves, which are not read; save each row as PNG")
    if where is None and len(first) == 1:
        raise VisionLoraError(
            f"{path} has one column without names of images; write the name of the image before each: "
            "FILE,LABEL"
        )
    missing = "path" if where is None else "label"
    understood = PATH_COLUMNS if where is None else LABEL_COLUMNS
    advice = _of_paths(first, body) if where is None else _of_labels(first, body, where)
    known = f"call one of them {missing} (understood are {', '.join(understood[:-1])} and {understood[-1]})"
    raise VisionLoraError(f"{path}: no {missing} column among {listed(first)}; {advice or known}")


def refuse_unnamed(path: Path, body: Body, places: Sequence[int]) -> None:
    """Refuse rows without names of columns in which nothing tells the label: several images in each, or a box
    in numbers, before or behind a number of a class.

    Args:
        path: the table.
        body: its rows.
        places: of the columns that are neither path nor split.

    Raises:
        VisionLoraError: says how to write them.
    """
    # A mask may stand between an image and its label; a class before its images has nothing behind them.
    images = [place for place in places if share(body, place, is_image_name) > 0.5]
    if images and images[-1] == places[-1] and len(images) < len(places):
        raise VisionLoraError(f"{path}: a line names several images; write a line for each: FILE,LABEL")
    if len(places) >= _BOX and all(share(body, place, _is_numeric) == 1 for place in places):
        raise VisionLoraError(
            f"{path} has {len(places)} columns of numbers and no names of columns (boxes?), so nothing says "
            "which is the label; write a first line that names them: path, label, ..."
        )


def _of_paths(first: Sequence[str], body: Body) -> str:
    for place, name in enumerate(first):
        if share(body, place, lambda cell: _NAME_AND_MORE.fullmatch(cell) is not None) > 0.5:
            return f"column {name} has the names of images and more behind them: part it into path and label"
    return ""


def _of_labels(first: Sequence[str], body: Body, where: int) -> str:
    """What the columns of a table seem to be: shares of classes, or which of them repeat as classes do."""
    others = [place for place in range(len(first)) if place != where and first[place]]
    shares = [place for place in others if share(body, place, _is_share) == 1]
    if len(shares) > 1 and all(_is_one(row, shares) for row in body[:200]):
        called = listed([first[place] for place in shares], _SHOWN)
        return f"{called} are shares that add up to 1: write the class with the largest into a column label"
    repeated = [first[place] for place in others if repeats(body, place)]
    if not repeated:
        return ""
    repeat = "repeats its values" if len(repeated) == 1 else "repeat their values"
    return f"call the one with the classes label ({listed(repeated, _SHOWN)} {repeat}, as classes do)"


def _is_numeric(cell: str) -> bool:
    return re.fullmatch(r"-?\d+([.,]\d+)?", cell) is not None


def _is_share(cell: str) -> bool:
    return _DECIMAL.fullmatch(cell) is not None


def _is_one(row: Sequence[str], places: Sequence[int]) -> bool:
    """Whether the numbers in some columns of a row add up to 1."""
    return abs(sum(float(row[place] or 0) for place in places if place < len(row)) - 1) < 0.02
