"""A list of paths without labels, whose folders are the classes: ``banded/banded_0002.jpg`` of DTD."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

from visionlora.data.tables.cells import is_count
from visionlora.data.tables.rows import Rows
from visionlora.text import listed

_SHOWN = 3


def with_folders(rows: Rows) -> Rows:
    """The rows with the folder of each path as its label, where they have nothing but paths in several
    folders, and perhaps numbers that count them (CUB's ``images.txt``); else the rows as they are."""
    numbered = rows.numbered
    named = rows.has_header or not any("/" in cell or "\\" in cell for cell in numbered[0][1])
    body = [row for _, row in numbered[named:]]
    if not body or any(len(row) != len(body[0]) for row in body):
        return rows
    places = [place for place in range(len(body[0])) if not is_count(body, place)]
    if len(places) != 1:
        return rows
    labels = [PurePosixPath(row[places[0]].replace("\\", "/")).parent.name for row in body]
    classes = sorted({*labels})
    if not all(classes) or not 1 < len(classes) < len(labels):
        return rows
    note = f"no labels: the folders of the files are taken for the classes ({listed(classes, _SHOWN)})"
    found = [
        (number, [row[places[0]], label])
        for (number, row), label in zip(numbered[named:], labels, strict=True)
    ]
    return replace(
        rows, numbered=[(0, ["path", "label"]), *found], notes=(*rows.notes, note), has_header=True
    )
