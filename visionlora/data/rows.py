"""The rows of a CSV, TSV or JSON Lines file, whatever wrote it."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from visionlora.data.formats import SUFFIXES as IMAGE_SUFFIXES
from visionlora.data.formats import is_image_name, sniff
from visionlora.data.json_rows import json_lines, json_table
from visionlora.data.not_images import is_part, suffix_hint
from visionlora.errors import VisionLoraError
from visionlora.files import require_regular

SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".lst", ".jsonl", ".ndjson", ".json")
MOST_BYTES = 2**29
"""Of a table: five million lines of a hundred letters. A larger file is none, or would fill the memory."""
_PATH = re.compile(rf"(.*(?:{'|'.join(map(re.escape, sorted(IMAGE_SUFFIXES)))}))\s+(.+)", re.IGNORECASE)
_JSON = (".jsonl", ".ndjson", ".json")
_SPACED = (".txt", ".lst")
_SHEETS = {
    ".xlsx": "Excel", ".xls": "Excel", ".ods": "LibreOffice", ".parquet": "Parquet",
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
    unit: str = "line"
    """What the numbers count."""


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
        kind = _kind(path)
        what = f"it is {kind}; give" if kind else "give"
        what = f"{suffix} files are {hint}" if hint else f"{what} a folder of images, a .zip, a .tar or a CSV"
        raise VisionLoraError(f"{path} is neither a folder nor a .csv; {what}")
    text, notes = _text(path)
    unit = "line"
    if suffix == ".json" or (suffix not in _JSON and _is_json(text)):
        numbered, unit = json_table(path, text, _lines(text)), "entry"
    else:
        numbered = json_lines(path, _lines(text)) if suffix in _JSON else _csv_rows(path, text)
    if not numbered:
        raise VisionLoraError(f"{path} is empty; each {unit} is path,label or path,label,split")
    return Rows(numbered, notes, numbered[0][0] == 0, unit)


def _is_json(text: str) -> bool:
    """Whether a table of another name is JSON."""
    text = text.strip()
    return text[:2] + text[-1:] in ("[{]", '{"}')


def _kind(path: Path) -> str | None:
    """What a file is by its first bytes; None: text, or not known."""
    try:
        require_regular(path)
        with path.open("rb") as file:
            kind = sniff(file.read(256))
    except (OSError, VisionLoraError):
        return None
    return None if kind == "a text file" else kind


def _text(path: Path) -> tuple[str, tuple[str, ...]]:
    try:
        require_regular(path)
        if path.stat().st_size > MOST_BYTES:
            raise VisionLoraError(
                f"{path} has more than {MOST_BYTES >> 20} MiB; a table has a line for each image: write its "
                "path and label alone"
            )
        content = path.read_bytes()
        kind = sniff(content[:256])
        if kind and (b"\0" in content[:256] or "page" in kind):  # text may begin with BM or P3, too
            raise VisionLoraError(f"{path} is {kind}, not a table; save it as CSV (UTF-8)")
    except OSError as error:
        raise VisionLoraError(f"cannot read {path}: {error.strerror}") from error
    try:
        if content.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
            return content.decode("utf-32"), ()
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
        if delimiter not in first and path.suffix.casefold() in _SPACED:  # Caffe's lists: path, space, number
            return _spaced([(n, line) for n, line in enumerate(lines, 1) if line.strip()])
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


def _spaced(lines: list[tuple[int, str]]) -> list[tuple[int, list[str]]]:
    """Rows that spaces part, those of Oxford's pets too: a name without suffix and several numbers."""
    words = [(number, line.split()) for number, line in lines if not line.startswith("#")]
    if all(len(row) > 2 and all(map(str.isdecimal, row[1:])) for _, row in words):
        return words
    return [(number, _in_two(line)) for number, line in lines]


def _in_two(line: str) -> list[str]:
    """``path label``: both may have spaces, so they part behind the suffix of an image where there is one,
    and behind the first word where nothing has one."""
    at = _PATH.match(line)
    if at:
        return [at[1].strip(), at[2].strip()]
    line = line.strip()
    return line.rsplit(None, 1) if is_image_name(line) else line.split(None, 1)


def _outside_quotes(line: str) -> str:
    return "".join(line.split('"')[::2])
