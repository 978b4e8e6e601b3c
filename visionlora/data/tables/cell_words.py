"""Rows whose cells say in other words what the rest of this package reads: the names of several images in one
cell, or splits as numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from visionlora.data.files.formats import is_image_name
from visionlora.data.tables.column_names import key_of
from visionlora.data.tables.rows import Rows

_BETWEEN = re.compile(r"\s*[|;,\n\x1f]\s*")
_NUMBERS = {"0": "train", "1": "val", "2": "test"}
"""Of the splits, as Ludwig and CelebA write them."""
_NUMBERED = ("split", "partition", "subset", "evalstatus")


def with_named_splits(rows: Rows) -> Rows:
    """The rows with train, val and test in a column ``split`` that has 0, 1 and 2, where most rows have 0
    (the numbers of three folds are equally many); else the rows as they are."""
    first, *body = [row for _, row in rows.numbered]
    for place, name in enumerate(first):
        if key_of(name) not in _NUMBERED:
            continue
        cells = [row[place].removesuffix(".0") if place < len(row) else "" for row in body]
        if {*cells} != {*_NUMBERS} or cells.count("0") <= len(cells) / 2:
            continue
        named = [
            (number, [*row[:place], _NUMBERS[cell], *row[place + 1 :]])
            for (number, row), cell in zip(rows.numbered[1:], cells, strict=True)
        ]
        note = f"column {name} has 0, 1 and 2: taken for train, val and test"
        return replace(rows, numbered=[rows.numbered[0], *named], notes=(*rows.notes, note))
    return rows


def rows_of_images(row: Sequence[str], place: int) -> Iterator[Sequence[str]]:
    """The row, or a row for each image if the cell at ``place`` has the names of several (those of a
    product): ``a.jpg|b.jpg``."""
    cell = row[place] if place < len(row) else ""
    names = _BETWEEN.split(cell.strip("[]")) if _BETWEEN.search(cell) else []
    names = [name.strip("'\"") for name in names]
    if len(names) < 2 or not all(map(is_image_name, names)):
        yield row
        return
    for name in names:
        yield [*row[:place], name, *row[place + 1 :]]
