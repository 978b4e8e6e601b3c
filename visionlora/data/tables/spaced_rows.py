"""Rows whose columns are parted by spaces, and rows with a name that no column has."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

from visionlora.data.files.formats import SUFFIXES, is_image_name
from visionlora.data.names.split_names import split_name

_PATH = re.compile(
    rf"(.*(?:{'|'.join(map(re.escape, sorted(SUFFIXES)))}))(?:\s*(?:[-=]>|::?|=)\s*|\s+)(.+)",
    re.IGNORECASE,
)


def names_and_more(line: str) -> bool:
    """Whether a line has the name of an image, and more behind it."""
    return _PATH.match(line) is not None


def with_row_names(rows: list[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
    """The rows with a name for each column, where all but the first have one field more: R and pandas write
    names of rows before the columns, and none over them."""
    if len(rows) < 3 or any(map(is_image_name, rows[0][1])):
        return rows
    wide = len(rows[0][1]) + 1
    if any(len(row) != wide for _, row in rows[1:]) or not any(row[-1] for _, row in rows[1:]):
        return rows
    return [(rows[0][0], ["", *rows[0][1]]), *rows[1:]]


def _quoted(lines: Sequence[tuple[int, str]]) -> list[tuple[int, list[str]]]:
    """The rows of lines in which spaces part fields in quotation marks (R's ``write.table``); none where
    that is not so."""
    if len(lines) < 3 or not all(line.lstrip().startswith('"') for _, line in lines):
        return []
    rows = [
        (number, [field.strip() for field in next(csv.reader([line.strip()], delimiter=" "))])
        for number, line in lines
    ]
    width = len(rows[-1][1])
    as_wide = all(len(row) == width for _, row in rows[1:]) and len(rows[0][1]) in (width - 1, width)
    return rows if width > 1 and as_wide else []


def spaced_rows(lines: list[tuple[int, str]]) -> list[tuple[int, list[str]]]:
    """Rows that spaces part, those of Oxford's pets too: a name without suffix and several numbers. CelebA's
    lists have the number of rows before them, and no name for the paths."""
    lines = lines[lines[:1] != [] and len(lines) > 2 and lines[0][1].strip().isdecimal() :]
    if quoted := _quoted(lines):
        return quoted
    words = [(number, line.split()) for number, line in lines if not line.startswith("#")]
    body = words[1:]
    if all(len(row) > 2 and all(map(str.isdecimal, row[1:])) for _, row in words):
        return words
    names = words[0][1] if words else []
    if body and all(len(row) == len(names) + 1 and all(map(_is_whole, row[1:])) for _, row in body):
        return [(words[0][0], ["path", *names]), *body]
    if _are_columns([row for _, row in words]):
        return words
    return [(number, _in_two(line)) for number, line in lines]


def _are_columns(rows: Sequence[Sequence[str]]) -> bool:
    """Whether each line has as many words, of which the third or a later one is no part of a label: the first
    line names the columns, or a column has numbers, or splits."""
    if not rows or len(rows[0]) < 3 or len({len(row) for row in rows}) > 1 or len(rows) < 2:
        return False
    if sum(map(is_image_name, rows[1])) != 1:
        return False
    tests = (_is_whole, lambda word: split_name(word) is not None)
    columns = list(zip(*rows, strict=True))
    return not any(map(is_image_name, rows[0])) or any(
        all(map(test, column)) for column in columns for test in tests
    )


def _is_whole(word: str) -> bool:
    return word.removeprefix("-").isdecimal()


def _in_two(line: str) -> list[str]:
    """``path label``: both may have spaces, so they part behind the suffix of an image where there is one,
    and behind the first word where nothing has one."""
    at = _PATH.match(line)
    if at:
        return [at[1].strip(), at[2].strip()]
    line = line.strip()
    return line.rsplit(None, 1) if is_image_name(line) else line.split(None, 1)
