"""The rows of a CSV, TSV or JSON Lines file, whatever wrote it."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from visionlora.data.files.arrow import unpacked_by
from visionlora.data.files.formats import LFS, SUFFIXES, TABLE_SUFFIXES, is_image_name, sniff
from visionlora.data.files.not_images import is_part, is_unknown, suffix_hint
from visionlora.data.files.texts import decoded
from visionlora.data.tables.annotation_files import annotated_xml
from visionlora.data.tables.column_names import LABELS_ANYWHERE
from visionlora.data.tables.json_rows import json_lines, json_table, tool_rows, with_objects
from visionlora.data.tables.spaced_rows import names_and_more, spaced_rows, with_row_names
from visionlora.errors import VisionLoraError
from visionlora.files import require_regular
from visionlora.text import Doubt

MOST_BYTES = 2**29
"""Of a table: five million lines of a hundred letters. A larger file is none, or would fill the memory."""
_JSON = (".jsonl", ".ndjson", ".json")
_SPACED = (".txt", ".lst")
_SET, _KEYS = {b"names", b"val", b"path"}, re.compile(rb"^(\w+):", re.MULTILINE)
"""What Ultralytics' YAML of a data set has: where train is, and the names of the classes."""
_DELIMITERS = ",;\t|^~"
_WIDE = "，；\x01"  # noqa: RUF001
"""Of Chinese and Japanese keyboards, and Hive's; they part columns where each line has as many."""
_TITLES = 10
"""So many lines at the top, and one less, may be something else than the table."""
_FOOTNOTES = 2
"""So many at the bottom; more are images that nobody has labelled yet."""
_SHEETS = {
    ".xlsx": "Excel", ".xls": "Excel", ".ods": "LibreOffice", ".parquet": "Parquet",
    ".feather": "Arrow", ".arrow": "Arrow", ".pkl": "pandas", ".pickle": "pandas", ".db": "SQLite",
    ".sqlite": "SQLite", ".tfrecord": "TensorFlow", ".yaml": "YAML", ".yml": "YAML", ".xml": "XML",
    ".arff": "Weka", ".numbers": "Numbers", ".gsheet": "Google Sheets", ".xlsm": "Excel", ".xlsb": "Excel",
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
    if suffix == ".xml" and (said := annotated_xml(_start(path, MOST_BYTES))):
        return Rows(tool_rows(path, said), said.notes, True, "entry")
    keys = {*_KEYS.findall(_start(path, 2**16))} if suffix in (".yaml", ".yml") else set()
    if b"train" in keys and keys & _SET:
        raise VisionLoraError(f"{path} describes a data set; give its folder: data.root={path.parent}")
    if suffix in _SHEETS:
        images = f"; if it holds the images, {commands}" if (commands := unpacked_by(path)) else ""
        raise VisionLoraError(f"{path} is a table of {_SHEETS[suffix]}; save it as CSV (UTF-8){images}")
    if suffix in SUFFIXES:
        raise VisionLoraError(f"{path} is an image; give its folder, and what it shows: data.class_name=NAME")
    if suffix not in TABLE_SUFFIXES and (is_part(path.name) or not is_unknown(suffix) or not _is_text(path)):
        hint = suffix_hint(suffix)
        if is_part(path.name):
            raise VisionLoraError(f"{path} is a part of an archive; unpack that, and give the folder")
        kind = _kind(path)
        what = f"it is {kind}; give" if kind else "give"
        what = f"{what} a folder of images, a .zip, a .tar or a CSV; save it as CSV if it is a table"
        what = f"{suffix} files are {hint}" if hint else what
        raise VisionLoraError(f"{path} is neither a folder nor a .csv; {what}")
    text, notes = _text(path)
    unit, tool = "line", None
    if suffix == ".json" or (suffix not in _JSON and _is_json(text)):
        unit = "entry"
        numbered, tool = json_table(path, text, _lines(text))
        notes = (*notes, *(tool.notes if tool else ()))
    elif suffix in _JSON:
        numbered = json_lines(path, _lines(text))
    else:
        numbered = _csv_rows(path, text)
        start, end = _without_titles(numbered)
        if start:
            notes = (*notes, f"what is above line {numbered[start][0]} is taken for a title: left out")
        if numbered[end:]:
            notes = (*notes, f"what is below line {numbered[end - 1][0]} is taken for a footnote: left out")
        numbered = numbered[start:end]
        numbered = with_row_names(numbered)
        if "{" in text and numbered:
            numbered = with_objects(numbered)
    if not numbered:
        raise VisionLoraError(f"{path} is empty; each {unit} is path,label or path,label,split")
    return Rows(numbered, notes, numbered[0][0] == 0, unit)


def _start(path: Path, most: int) -> bytes:
    """The first bytes of a file, none where it cannot be read."""
    try:
        require_regular(path)
        with path.open("rb") as file:
            return file.read(most)
    except (OSError, VisionLoraError):
        return b""


def _is_json(text: str) -> bool:
    """Whether a table of another name is JSON."""
    text = "".join(text[:99].split())[:2] + text.rstrip()[-1:]
    return text in ("[{]", '{"}')


def _is_text(path: Path) -> bool:
    """Whether a file that nothing is known of is text: a table may be called anything."""
    try:
        require_regular(path)
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError:
        return False
    return sniff(head[:256]) == "a text file" and b"\0" not in head


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
                "only path and label"
            )
        content = path.read_bytes()
        kind = sniff(content[:256])
        if kind == LFS:
            raise VisionLoraError(f"{path} is {LFS}; run git lfs pull, which fetches the table")
        if kind and (b"\0" in content[:256] or "page" in kind):  # text may begin with BM or P3, too
            raise VisionLoraError(f"{path} is {kind}, not a table; save it as CSV (UTF-8)")
    except OSError as error:
        raise VisionLoraError(f"cannot read {path}: {error.strerror}") from error
    found = decoded(content, LABELS_ANYWHERE)
    if not found.called:
        return found.text, ()
    if b"\0" in content:
        raise VisionLoraError(f"cannot read {path}: it is not text; save it as CSV (UTF-8)")
    said = f"{path.name} is not UTF-8: read as {found.called}; if names look wrong, save it as UTF-8"
    return found.text, (Doubt(said) if found.doubtful else said,)


def _csv_rows(path: Path, text: str) -> list[tuple[int, list[str]]]:
    lines = _plain_quotes(_lines(text))
    if lines and lines[0].casefold().startswith("sep=") and len(lines[0].rstrip("\r\n")) == 5:  # for Excel
        delimiter, lines = lines[0][4], ["", *lines[1:]]
    else:
        # csv.Sniffer guesses letters as separators on short tables. The first lines may be a title.
        filled = [(n, line) for n, line in enumerate(lines, 1) if line.strip()]
        marked = (_outside_quotes(line) for _, line in filled[:_TITLES])
        first = next((line for line in marked if set(_DELIMITERS) & set(line)), "")
        delimiter = max(_DELIMITERS, key=first.count)
        if delimiter not in first:
            if wide := _wide_delimiter([line for _, line in filled]):
                return _parsed(path, lines, wide)
            if path.suffix.casefold() in _SPACED or any(names_and_more(line) for _, line in filled[1:2]):
                return spaced_rows(filled)  # Caffe's lists: path, space, number
            if any("::" in line for _, line in filled[:1]):
                delimiter, lines = "\t", [line.replace("::", "\t") for line in lines]
    rows = _parsed(path, lines, delimiter)
    if rows and all(len(row) == 1 and delimiter in row[0] for _, row in rows):  # quotes around whole lines
        rows = _parsed(path, [row[0] for _, row in rows], delimiter)
    return rows


def _wide_delimiter(lines: Sequence[str]) -> str | None:
    """The one of :data:`_WIDE` that each of the first lines has as often; None: there is none."""
    counts = {sign: {line.count(sign) for line in lines[:_TITLES]} for sign in _WIDE}
    return next((sign for sign, found in counts.items() if len(found) == 1 and found != {0}), None)


def _parsed(path: Path, lines: Sequence[str], delimiter: str) -> list[tuple[int, list[str]]]:
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    try:
        rows = [(reader.line_num, [_stripped(field) for field in row]) for row in reader]
        torn = next((number for number, row in rows if any(_holds_rows(one, delimiter) for one in row)), 0)
        if torn:
            raise VisionLoraError(
                f"{path}: a quotation mark is not closed before line {torn}, which is taken for a part of "
                "the line above; remove it, or write it twice within quotation marks"
            )
        return [(n, row) for n, row in rows if any(row) and not row[0].startswith("# ") and not _is_rule(row)]
    except csv.Error as error:
        open_quote = " (a quotation mark that is not closed?)" if "field larger" in str(error) else ""
        raise VisionLoraError(
            f"{path} line {reader.line_num}: {error}{open_quote}; save it as CSV (UTF-8) again"
        ) from error


def _holds_rows(field: str, delimiter: str) -> bool:
    """Whether a field has line breaks, and behind one of them the name of an image and a delimiter."""
    lines = field.split("\n")[1:] if "\n" in field else []
    return any(delimiter in line and any(map(is_image_name, line.split(delimiter))) for line in lines)


def _without_titles(rows: list[tuple[int, list[str]]]) -> tuple[int, int]:
    """The first row and the one behind the last without those at the top and at the bottom that have one
    field where most others have several: titles, ``(2 rows)``. A name alone is an image without a label."""
    several = [sum(map(bool, row)) > 1 for _, row in rows]
    if sum(several) <= len(rows) / 2:
        return 0, len(rows)
    start, below = several.index(True), several[::-1].index(True)
    last = ["".join(row).casefold() for _, row in rows[len(rows) - below :]]
    told = all(" " in text and not any(suffix in text for suffix in SUFFIXES) for text in last)
    return start if start < _TITLES else 0, len(rows) - (below if told and below <= _FOOTNOTES else 0)


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
    if field[start : start + 2] == '="' and field[end - 1] == '"' and end - start > 3:  # Excel's text
        start, end = start + 2, end - 1
    return field[start:end]


def _is_blank(character: str) -> bool:
    return character.isspace() or character == "\0" or unicodedata.category(character) == "Cf"


def _is_rule(row: list[str]) -> bool:
    """Whether it is the line below the names of the columns in a table of Markdown or of a database."""
    return any(len(field) > 2 for field in row) and set("".join(row)) <= set("-+=:")


def _outside_quotes(line: str) -> str:
    return "".join(line.split('"')[::2])
