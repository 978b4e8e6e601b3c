"""Tables that give a label to a range of numbered images: ``from,to,label``."""

from __future__ import annotations

import os
import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from visionlora.data.files.formats import is_image_name
from visionlora.data.tables.cells import Body, is_count, share
from visionlora.data.tables.column_names import PATH_COLUMNS, key_of
from visionlora.data.tables.files_by_name import FilesByName, images_by_number
from visionlora.data.tables.rows import Rows
from visionlora.errors import VisionLoraError

_ENDS = (
    ("from", "to"), ("start", "end"), ("start", "stop"), ("begin", "end"), ("first", "last"), ("von", "bis"),
    ("desde", "hasta"), ("de", "a"), ("du", "au"), ("da", "a"), ("od", "do"), ("van", "tot"),
    ("från", "till"),
)  # fmt: skip
"""Words of the names of two columns: ``start_frame`` and ``end_frame``."""
_OF_IMAGES = {
    "frame", "frames", "image", "images", "img", "imgs", "file", "files", "photos", "range", "ranges",
    "bilder", "fotos",
}  # fmt: skip
"""Words of the name of one column of ranges; another may have ages, or the names of classes."""
_RANGE = re.compile(r"(\d{1,18})\s*(?:-|\u2013|\u2014|:|\.\.\.?|to|bis)\s*(\d{1,18})")
_PATHS = {*map(key_of, PATH_COLUMNS)} - {"id"}
_NUMBER = re.compile(r"\D*(\d{1,18})(?:\.0)?\D*", re.ASCII)
"""``12``, ``12.0`` and ``img_0012`` of ``img_0012.jpg``."""


def with_ranges(path: Path, rows: Rows) -> Rows:
    """The rows with a row for each image, where they have ranges of the numbers in the names of the images,
    in two columns or in one (``0-99``); else the rows as they are.

    Raises:
        VisionLoraError: two columns are called like the ends of ranges, and the images are not called by
            numbers, each by another one.
    """
    first, *body = [row for _, row in rows.numbered]
    places = _places(first, body)
    if places is None or _names_images(path, first, body, places):
        return rows
    called = " and ".join(first[place] for place in places)
    numbers = images_by_number(path)
    if not numbers and len(places) == 1:
        return rows
    if not numbers:
        raise VisionLoraError(
            f"{path}: columns {called} are ranges of numbers, and the images are not called by numbers, each "
            "by another one (img_0001.jpg); write a line for each image: path,label"
        )
    known = sorted(numbers)
    others = [place for place in range(len(first)) if place not in places]
    found = [(rows.numbered[0][0], ["path", *(first[place] for place in others)])]
    empty = []
    for number, row in rows.numbered[1:]:
        low, high = _ends(row, places) or (0, -1)
        inside = known[bisect_left(known, low) : bisect_right(known, high)]
        rest = [row[place] if place < len(row) else "" for place in others]
        found += [(number, [os.path.relpath(numbers[one], path.parent), *rest]) for one in inside]
        empty += [] if inside else [number]
    if 2 * len(empty) > len(body):  # years, or anything else
        return rows
    column = "column" if len(places) == 1 else "columns"
    notes = [f"{column} {called}: ranges of the numbers in the names of images, with both ends"]
    if empty:
        lines = f"{rows.unit} {empty[0]}"
        more = f" and {len(empty) - 1} more" if empty[1:] else ""
        notes.append(f"no image has a number in the range of {lines}{more}")
    return replace(rows, numbered=found, notes=(*rows.notes, *notes))


def _places(first: Sequence[str], body: Body) -> tuple[int, ...] | None:
    """The two columns of the ends of ranges, or the one of ranges; None: there are none."""
    words = [_words(name) for name in first]
    at = {tuple(some): place for place, some in enumerate(words)}
    pairs = []
    for start, end in _ENDS:
        for low in (place for place, some in enumerate(words) if start in some):
            high = at.get(tuple(end if word == start else word for word in words[low]))
            pairs += [(low, high)] if high is not None else []
    singles = [(place,) for place, some in enumerate(words) if _OF_IMAGES & {*some}]
    for places in (*pairs, *singles):
        if len(places) < len(first) and body and all(_ends(row, places) for row in body):
            return places
    return None


def _words(name: str) -> list[str]:
    """The words of a column's name, also those of ``startFrame``."""
    return re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).casefold())


def _names_images(path: Path, first: Sequence[str], body: Body, places: Sequence[int]) -> bool:
    """Whether another column has the names of images: ranges are something else then."""
    others = [place for place in range(len(first)) if place not in places]
    if any(key_of(first[place]) in _PATHS or share(body, place, is_image_name) > 0.5 for place in others):
        return True
    files = FilesByName(path)
    return any(not is_count(body, place) and share(body, place, files.has) > 0.5 for place in others)


def _ends(row: Sequence[str], places: Sequence[int]) -> tuple[int, int] | None:
    """The ends of a row's range; None: it has none."""
    cells = [row[place] if place < len(row) else "" for place in places]
    if len(cells) == 1:
        match = _RANGE.fullmatch(cells[0])
        ends = [*match.groups()] if match else []
    else:
        numbers = [_NUMBER.fullmatch(Path(cell).stem if is_image_name(cell) else cell) for cell in cells]
        ends = [number[1] for number in numbers if number]
    if len(ends) != 2 or int(ends[0]) > int(ends[1]):
        return None
    return int(ends[0]), int(ends[1])
