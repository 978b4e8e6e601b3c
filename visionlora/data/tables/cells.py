"""What the cells of a column have in common."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from visionlora.data.names.split_names import SPLITS, cell_split
from visionlora.data.names.yes_no import NO, YES

_DIGITS = 12
_MOST_VALUES = 0.5
"""Values per row, at most, of a column that may be of classes."""

Body = Sequence[Sequence[str]]


def share(body: Body, place: int, test: Callable[[str], bool]) -> float:
    """Of the first cells of a column that are not empty, the share that passes a test."""
    values = [row[place] for row in body[:200] if place < len(row) and row[place]]
    return sum(map(test, values)) / len(values) if values else 0.0


def values_of(body: Body, place: int) -> list[str]:
    """The cells of a column that are not empty."""
    return [row[place] for row in body if place < len(row) and row[place]]


def repeats(body: Body, place: int) -> bool:
    """Whether a column has the same few values again and again, as one of classes has."""
    values = values_of(body, place)
    return 1 < len(set(values)) <= _MOST_VALUES * len(values)


def is_split(body: Body, place: int) -> bool:
    """Whether a column says train for some rows, and val or test for others."""
    if share(body, place, lambda cell: cell_split(cell) is not None) < 1:
        return False
    return {"train"} < {cell_split(cell) or "" for cell in set(values_of(body, place))} <= set(SPLITS)


def is_count(body: Body, place: int) -> bool:
    """Whether a column counts the rows."""
    values = [row[place] for row in body if place < len(row)]
    if not all(value.isdecimal() and len(value) < _DIGITS for value in values):
        return False
    return [int(value) for value in values] == list(range(int(values[0]), int(values[0]) + len(values)))


def is_number(text: str) -> bool:
    """Whether a cell is a whole number."""
    return re.fullmatch(r"-?\d+(\.0*)?", text) is not None


def is_fold(text: str) -> bool:
    """Whether a cell is the number of a fold: ``3``, ``fold_3``."""
    return re.fullmatch(r"([a-z]*[\W_]*)\d+(\.0*)?", text.casefold()) is not None and cell_split(text) is None


def is_pixel(name: str) -> bool:
    """Whether a column is called like one pixel, or all of an image: ``pixel7``, ``1x1``, ``pixels``."""
    return re.fullmatch(r"pixels?[\W_]*\d*|\d+x\d+", name.strip("\"' ").casefold()) is not None


def is_switch(text: str) -> bool:
    """0 or 1, or what some write where nobody knows."""
    return is_flag(text) or text.casefold() in {"-1", "-1.0", "nan", "u"}


def is_flag(text: str) -> bool:
    """Yes or no, in any spelling."""
    return text.casefold() in YES | NO
