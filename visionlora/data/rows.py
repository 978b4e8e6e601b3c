"""The rows of a CSV, TSV or JSON Lines file, whatever wrote it."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from visionlora.data.formats import SUFFIXES as IMAGE_SUFFIXES
from visionlora.data.formats import is_part, suffix_hint
from visionlora.errors import VisionLoraError
from visionlora.files import require_regular

SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".jsonl", ".ndjson")
MOST_BYTES = 2**29
"""Of a table: five million lines of a hundred letters. A larger file is none, or would fill the memory."""
LIST = "\x1f"
"""Between the items of a JSON list in a field."""
_PATH = re.compile(rf"(.*(?:{'|'.join(map(re.escape, sorted(IMAGE_SUFFIXES)))}))\s+(.+)", re.IGNORECASE)
_JSON = (".jsonl", ".ndjson")
_SHEETS = {
    ".xlsx": "Excel", ".xls": "Excel", ".ods": "LibreOffice", ".parquet": "Parquet", ".json": "JSON",
    ".feather": "Arrow", ".arrow": "Arrow", ".pkl": "pandas", ".pickle": "pandas", ".db": "SQLite",
    ".sqlite": "SQLite", ".tfrecord": "TensorFlow", ".yaml": "YAML", ".yml": "YAML", ".xml": "XML",
    ".numbers": "Numbers", ".gsheet": "Google Sheets", ".xlsm": "Excel", ".xlsb": "Excel",
}  # fmt: skip


@dataclass(frozen=True)
class Rows:
    """The rows that are not blank, numbered from 1 as in the file, split into stripped fields."""

    numbered: list[tuple[int, list[str]]]
    notes: tuple[str, ...] = ()
    has_header: bool = False
    """Whether the first row certainly names the columns (JSON's keys do)."""


def read_rows(path: Path) -> Rows:
    """Read a table.

    Raises:
        VisionLoraError: another kind of file, one that cannot be read or parsed, or an empty one.
    """
    suffix = path.suffix.casefold()
    if suffix in _SHEETS:
        raise VisionLoraError(f"{path} is a table of {_SHEETS[suffix]}; save it as CSV (UTF-8)")
    if suffix in IMAGE_SUFFIXES:
        raise VisionLoraError(f"{path} is an image; give its folder, and what it shows: data.class_name=NAME")
    if suffix not in SUFFIXES:
        hint = suffix_hint(suffix)
        if is_part(path.name):
            raise VisionLoraError(f"{path} is a part of an archive; unpack that, and give the folder")
        what = f"{suffix} files are {hint}" if hint else "give a folder of images, a .zip, a .tar or a CSV"
        raise VisionLoraError(f"{path} is neither a folder nor a .csv; {what}")
    text, notes = _text(path)
    numbered = (_json_rows if suffix in _JSON else _csv_rows)(path, text)
    if not numbered:
        raise VisionLoraError(f"{path} is empty; each line is path,label or path,label,split")
    return Rows(numbered, notes, suffix in _JSON)


def _text(path: Path) -> tuple[str, tuple[str, ...]]:
    try:
        require_regular(path)
        if path.stat().st_size > MOST_BYTES:
            raise VisionLoraError(
                f"{path} has more than {MOST_BYTES >> 20} MiB; a table has a line for each image: write its "
                "path and label alone"
            )
        content = path.read_bytes()
    except OSError as error:
        raise VisionLoraError(f"cannot read {path}: {error.strerror}") from error
    try:
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):  # Excel's "Unicode text"
            return content.decode("utf-16"), ()
        if content[:1] == b"\0":
            return content.decode("utf-16-be"), ()
        if content[1:2] == b"\0":
            return content.decode("utf-16-le"), ()
        return content.decode("utf-8-sig"), ()
    except UnicodeDecodeError as error:
        if b"\0" in content:
            raise VisionLoraError(
                f"cannot read {path}: it is not text ({error.reason}); save it as CSV (UTF-8)"
            ) from error
    # Excel on Windows; the five bytes it doesn't define become U+FFFD.
    text = content.decode("cp1252", "replace")
    return text, (f"{path.name} is not UTF-8: read as Windows-1252; if names look wrong, save it as UTF-8",)


def _csv_rows(path: Path, text: str) -> list[tuple[int, list[str]]]:
    lines = _plain_quotes(_lines(text))
    if lines and lines[0].casefold().startswith("sep=") and len(lines[0].rstrip("\r\n")) == 5:  # for Excel
        delimiter, lines = lines[0][4], ["", *lines[1:]]
    else:
        first = next((line for line in lines if line.strip()), "")
        # csv.Sniffer guesses letters as separators on short tables.
        delimiter = max(",;\t|", key=_outside_quotes(first).count)
        if delimiter not in first and path.suffix.casefold() == ".txt":  # Caffe's lists: path, space, number
            return [(n, _in_two(line)) for n, line in enumerate(lines, 1) if line.strip()]
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    try:
        rows = [(reader.line_num, [_stripped(field) for field in row]) for row in reader]
        return [(n, row) for n, row in rows if any(row) and not row[0].startswith("# ") and not _is_rule(row)]
    except csv.Error as error:
        raise VisionLoraError(
            f"{path} line {reader.line_num}: {error}; save it as CSV (UTF-8) again"
        ) from error


def _lines(text: str) -> list[str]:
    """The lines with their ends. ``str.splitlines`` ends lines where nobody else does, at U+2028 and U+0085;
    DOS ended a file with a control-Z."""
    return list(io.StringIO(text.rstrip("\x1a\0"), newline=""))


def _plain_quotes(lines: list[str]) -> list[str]:
    """The lines with quotation marks where others are around the fields: R's, or a word processor's."""
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    for left, right in ("''", "“”", "‘’"):  # noqa: RUF001
        if len(last) > 2 and last.startswith(left) and last.endswith(right):
            return [line.replace(left, '"').replace(right, '"') for line in lines]
    return lines


def _stripped(field: str) -> str:
    """Without what is not seen at its ends: spaces, zero bytes, marks of byte order and of zero width."""
    start, end = 0, len(field)
    while start < end and _is_blank(field[start]):
        start += 1
    while end > start and _is_blank(field[end - 1]):
        end -= 1
    return field[start:end]


def _is_blank(character: str) -> bool:
    return character.isspace() or character == "\0" or unicodedata.category(character) == "Cf"


def _is_rule(row: list[str]) -> bool:
    """Whether it is the line below the names of the columns in a table of Markdown or of a database."""
    return any(len(field) > 2 for field in row) and set("".join(row)) <= set("-+=:")


def _in_two(line: str) -> list[str]:
    """``path label``: both may have spaces, so they part behind the suffix of an image where there is one."""
    at = _PATH.match(line)
    return [at[1].strip(), at[2].strip()] if at else line.rsplit(None, 1)


def _outside_quotes(line: str) -> str:
    return "".join(line.split('"')[::2])


def _json_rows(path: Path, text: str) -> list[tuple[int, list[str]]]:
    """The keys, those of nested objects with dots, and then a row an object."""
    objects: list[tuple[int, dict[str, object]]] = []
    for number, line in enumerate(_lines(text), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
            flat = dict(_flat(value)) if isinstance(value, dict) else None
        except (ValueError, RecursionError) as error:  # also numbers of 5,000 digits and 1,000 brackets
            said = error.msg if isinstance(error, json.JSONDecodeError) else error
            raise VisionLoraError(
                f"{path} line {number}: not JSON ({said}); each line is an object"
            ) from error
        if flat is None:
            raise VisionLoraError(
                f'{path} line {number}: not an object; each line is {{"file_name": ..., "label": ...}}'
            )
        objects.append((number, flat))
    keys = list(dict.fromkeys(key for _, one in objects for key in one))
    if not keys:
        return []
    return [(0, keys), *((number, [_plain(one.get(key)) for key in keys]) for number, one in objects)]


def _flat(value: dict[str, object], above: str = "") -> Iterator[tuple[str, object]]:
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from _flat(inner, f"{above}{key}.")
        else:
            yield f"{above}{key}", inner


def _plain(value: object) -> str:
    """Text and numbers as text, those of a list with :data:`LIST` between them; of anything else nothing is
    left."""
    if isinstance(value, bool):
        return str(value).casefold()
    if isinstance(value, list):
        items = [_plain(one) for one in value if isinstance(one, (str, int, float))]
        return LIST.join(items) if len(items) == len(value) else ""
    return str(value).strip() if isinstance(value, (str, int, float)) else ""
