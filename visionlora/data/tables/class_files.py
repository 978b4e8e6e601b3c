"""A file beside an image that says its class: a line of text, or a few keys and values."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path

from visionlora.data.tables.column_names import LABEL_COLUMNS, key_of
from visionlora.files import is_regular

SUFFIXES = (".xml", ".json", ".cls", ".txt", ".csv", ".tsv", ".yaml", ".yml")
_KNOWN = tuple(map(key_of, LABEL_COLUMNS))
_MOST_BYTES = 2**26
"""labelme writes the image itself into its file."""
_LONGEST = 60
"""Letters in the name of a class."""
_IN_BOX = 3
"""Numbers in a line, at most, that is the name of a class."""
_ELEMENT = re.compile(r"<(\w+)>([^<>]+)</\1>")
_PAIR = re.compile(r"([\w -]+):(.+)")


def class_in(file: Path) -> set[str] | None:
    """The class that a file says; None: it says none."""
    if not is_regular(file, _MOST_BYTES):
        return None
    try:
        text = file.read_text("utf-8-sig").strip()
        suffix = file.suffix.casefold()
        if suffix not in (".txt", ".cls"):
            value = {key_of(key): one for key, one in _pairs_in(text, suffix)}
            said = next((value[key] for key in _KNOWN if key in value), None)
            text = str(said) if isinstance(said, str | int) else ""
    except (OSError, ValueError, RecursionError, AttributeError, TypeError, csv.Error):
        return None
    boxes = sum(map(is_decimal, re.split(r"[\s,;]+", text))) > _IN_BOX
    fits = text and len(text) <= _LONGEST and text.isprintable() and text[0] not in "<{["
    return {text} if fits and not boxes else None


def _pairs_in(text: str, suffix: str) -> Iterator[tuple[str, object]]:
    """The keys and values of JSON, of a table of one row, of XML's elements or of lines of YAML."""
    if suffix == ".json":
        yield from json.loads(text).items()
    elif suffix == ".xml":
        yield from ((key, value.strip()) for key, value in _ELEMENT.findall(text))
    elif suffix in (".yaml", ".yml"):
        pairs = filter(None, map(_PAIR.fullmatch, text.splitlines()))
        yield from ((one[1], one[2].strip().strip("'\"")) for one in pairs)
    else:
        rows = list(csv.reader(text.splitlines(), delimiter="\t" if suffix == ".tsv" else ","))
        if len(rows) == 2:
            yield from zip(*rows, strict=True)


def is_decimal(text: str) -> bool:
    """Whether a text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
