"""Tables of which one names images, and another their classes by a column that both have."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import permutations
from pathlib import Path

from visionlora.data.files.formats import is_image_name
from visionlora.data.files.texts import decoded
from visionlora.data.tables.cells import Body, share, values_of
from visionlora.data.tables.column_names import key_of
from visionlora.data.tables.label_columns import label_column
from visionlora.data.tables.rows import read_rows
from visionlora.errors import VisionLoraError
from visionlora.files import is_regular

_MOST_BYTES = 2**24
_MOST = 8
"""So many tables are looked at."""
_SUFFIXES = (".csv", ".tsv")
_PARTED = re.compile(r"[,;\t|/]|\.\w+$")
"""In a line of several columns, or of names of files."""


def describe_join(files: Iterable[Path], images: Iterable[str]) -> str:
    """What to do about two tables that together say the classes of images (Camtrap DP's ``media.csv`` and
    ``observations.csv``); empty: there are none.

    Args:
        files: that may be tables.
        images: the names of the images without suffix.
    """
    stems = set(images)
    paths = [path for path in files if path.suffix.casefold() in _SUFFIXES and is_regular(path, _MOST_BYTES)]
    tables = {path: table for path in paths[:_MOST] if (table := _read(path)) is not None}

    def names_images(cell: str) -> bool:
        return is_image_name(cell) or cell in stems

    for (one, (names, body)), (other, (others, labels)) in permutations(tables.items(), 2):
        paths_at = [place for place in range(len(names)) if share(body, place, names_images) > 0.5]
        theirs = any(share(labels, place, is_image_name) > 0.5 for place in range(len(others)))
        if not paths_at or theirs or label_column([*map(key_of, others)], labels, set(), False) is None:
            continue
        for place, name in enumerate(names):
            values = set(values_of(body, place))
            if name not in others or (place in paths_at and is_image_name(next(iter(values), ""))):
                continue
            known = values_of(labels, others.index(name))
            if len(values & set(known)) > max(1, len(values) / 2) and len(set(known)) > len(known) / 2:
                return (
                    f"{one.name} names the images, and {other.name} says more of them by {name}: join the "
                    f"two (pandas: images.merge(labels, on={name!r}).to_csv('joined.csv')), and give that as "
                    "data.root"
                )
    return ""


def label_per_line(files: Iterable[Path], count: int) -> Path | None:
    """The text with one word a line, in as many lines as there are images, or one more (a name above): labels
    in the order of the images, which nothing certifies. None: there is none.

    Args:
        files: that may be it.
        count: of the images.
    """
    for path in files:
        if (
            path.suffix.casefold() not in (*_SUFFIXES, ".txt")
            or not is_regular(path, _MOST_BYTES)
            or count < 2
        ):
            continue
        words = decoded(path.read_bytes()).text.split("\n")
        words = [word for line in words if (word := line.strip())]
        several = 1 < len({*words}) <= len(words) / 2 and not any(_PARTED.search(word) for word in words)
        if several and len(words) in (count, count + 1):
            return path
    return None


def _read(path: Path) -> tuple[Sequence[str], Body] | None:
    try:
        first, *body = [row for _, row in read_rows(path).numbered]
    except VisionLoraError:
        return None
    return (first, body) if body else None
