"""Tables with several columns of labels: ``label_1``, ``label_2``."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from visionlora.data.tables.cells import Body, is_switch, share
from visionlora.data.tables.column_names import LABEL_ENDINGS, LABELS_ANYWHERE, PLURALS, key_of
from visionlora.data.tables.json_rows import LIST
from visionlora.data.tables.rows import Rows
from visionlora.data.tables.several_labels import SeveralLabels
from visionlora.text import Doubt, in_words, listed

_NUMBERED = re.compile(r"(.{0,40}[^\W\d_])[\W_]{0,2}(\d{1,2})\W?")
_KNOWN = {*map(key_of, (*LABELS_ANYWHERE, *PLURALS))}
_NUMERIC = re.compile(r"-?\d*\.?\d+(e-?\d+)?", re.IGNORECASE)
"""A share of a class, or a count of votes for it, not the name of one."""
_SHOWN = 4


def with_numbered_labels(path: Path, rows: Rows, several: bool) -> Rows:
    """The rows with one column of labels for those that are numbered (``label_1``, ``label_2``), perhaps all
    but the first (``label``, ``label_2``); else the rows as they are. Where an image has one label, it is
    that of the column without a number, if there is one.

    Args:
        path: the table.
        rows: of it.
        several: an image has any number of labels.

    Raises:
        SeveralLabels: an image has several labels in them, and not ``several``.
    """
    first, *body = [row for _, row in rows.numbered]
    places = _places(first, body)
    if not places:
        return rows
    called = listed([first[place] for place in places], _SHOWN)
    found = [list(dict.fromkeys(_filled(row, places))) for row in body]
    most = max(map(len, found), default=0)
    if not several and most > 1:
        if _number(first[places[0]]) is None:
            advice = f"if {called} all are labels of an image, set task=multi_label"
            doubt = Doubt(f"column {first[places[0]]} is read; {advice}")
            return replace(rows, notes=(*rows.notes, doubt))
        example = in_words(next(labels for labels in found if len(labels) > 1))
        raise SeveralLabels(
            f"{path}: columns {called} have several labels of an image, the first: {example}; set "
            "task=multi_label to learn all of them, or call the column that counts label"
        )
    others = [place for place in range(len(first)) if place not in places]
    numbered = [
        (number, [*(row[place] if place < len(row) else "" for place in others), LIST.join(labels)])
        for (number, row), labels in zip(rows.numbered[1:], found, strict=True)
    ]
    head = (rows.numbered[0][0], [*(first[place] for place in others), "label"])
    note = f"columns {called} are taken for the labels of an image"
    return replace(rows, numbered=[head, *numbered], notes=(*rows.notes, note))


def _places(first: Sequence[str], body: Body) -> list[int]:
    """The columns whose names are one of labels with a number behind it, and the one without; [] where they
    are fewer than two, or hold 0 and 1 (a column for each class), shares, or counts of votes."""
    by_stem: dict[str, dict[int, int]] = defaultdict(dict)
    plain = {key_of(name): place for place, name in enumerate(first)}
    for place, name in enumerate(first):
        number = _number(name)
        if number is not None:
            by_stem[_stem(name)].setdefault(number, place)
    for stem, columns in by_stem.items():
        called = stem in _KNOWN or stem.endswith(LABEL_ENDINGS)
        if len(stem) < 2 or not called or plain.keys() & _KNOWN - {stem}:  # y1 of a box; a better name
            continue
        places = [*([plain[stem]] if stem in plain else []), *(columns[one] for one in sorted(columns))]
        filled = [place for place in places if any(_filled(row, [place]) for row in body)]
        if any(all(share(body, place, test) == 1 for place in filled) for test in (is_switch, _is_numeric)):
            continue
        if len(places) > 1 and filled:
            return places
    return []


def _number(name: str) -> int | None:
    match = _NUMBERED.fullmatch(name)
    return int(match[2]) if match else None


def _stem(name: str) -> str:
    match = _NUMBERED.fullmatch(name)
    return key_of(match[1]) if match else ""


def _is_numeric(cell: str) -> bool:
    return _NUMERIC.fullmatch(cell) is not None


def _filled(row: Sequence[str], places: Sequence[int]) -> list[str]:
    return [row[place] for place in places if place < len(row) and row[place]]
