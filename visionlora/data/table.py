"""Read a CSV of image path, label and, if wanted, split."""

from __future__ import annotations

import csv
from pathlib import Path

from visionlora.data.images import SUFFIXES, ImageFile
from visionlora.data.splits import split_name
from visionlora.errors import VisionLoraError

_COLUMNS = {
    "path": {
        "path",
        "file",
        "filename",
        "file_name",
        "filepath",
        "file_path",
        "image",
        "image_path",
        "picture",
    },
    "label": {"label", "class", "class_name", "classname", "category", "name"},
    "split": {"split", "set", "subset", "fold"},
}


def read_table(path: Path, class_name: str | None = None) -> dict[str, list[ImageFile]]:
    """Read ``path`` as split -> images; without a split column everything is train.

    Paths are absolute or relative to the table's folder. The first line may name the columns in any usual
    words and order; without such a line they are path, label, split. Commas, semicolons and tabs separate.
    ``class_name`` stands in for a label column that is not there.

    Raises:
        VisionLoraError: not such a table, a line that cannot be used (with its number), files that do not
            exist (all of them counted), or a file listed twice.
    """
    numbered = _rows(path)
    columns, has_header = _columns(path, numbered[0][1], class_name)
    found: dict[str, list[ImageFile]] = {}
    line_of: dict[Path, int] = {}
    missing: list[Path] = []
    for number, row in numbered[has_header:]:
        image, split = _parse(path, number, row, columns, class_name)
        if image.path in line_of:
            raise VisionLoraError(
                f"{path} line {number}: {image.path} is already in line {line_of[image.path]}; remove one"
            )
        line_of[image.path] = number
        if not image.path.is_file():
            missing.append(image.path)
        found.setdefault(split, []).append(image)
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise VisionLoraError(
            f"{path} lists files that do not exist: {missing[0]}{more}; paths are relative to {path.parent}"
        )
    if not found.get("train"):
        raise VisionLoraError(f"{path} lists no images to train with; add lines of path and label")
    return found


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """The lines that are not blank, numbered from 1, split into stripped fields."""
    if path.suffix.casefold() not in (".csv", ".tsv", ".txt"):
        raise VisionLoraError(f"{path} is neither a folder nor a .csv; give a folder of images or a CSV")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise VisionLoraError(f"cannot read {path} as UTF-8 text: {error}") from error
    first = text.lstrip().partition("\n")[0]
    # csv.Sniffer guesses letters as separators on short tables.
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(text.splitlines(), delimiter=delimiter)
    rows = [(reader.line_num, [field.strip() for field in row]) for row in reader if any(map(str.strip, row))]
    if not rows:
        raise VisionLoraError(f"{path} is empty; each line is path,label or path,label,split")
    return rows


def _columns(path: Path, first: list[str], class_name: str | None) -> tuple[dict[str, int], bool]:
    """(column name -> position, whether the first row is a header)."""
    columns: dict[str, int] = {}
    for position, field in enumerate(first):
        for column, names in _COLUMNS.items():
            if field.casefold().replace(" ", "_") in names:
                columns.setdefault(column, position)
    if "path" in columns and ("label" in columns or class_name is not None):
        return columns, True
    if Path(first[0]).suffix.casefold() in SUFFIXES:
        return dict(zip(("path", "label", "split"), range(len(first)), strict=False)), False
    raise VisionLoraError(
        f"{path}: the first line ({', '.join(first)}) names no path and label columns; "
        f"start with path,label or path,label,split"
    )


def _parse(
    path: Path, number: int, row: list[str], columns: dict[str, int], class_name: str | None
) -> tuple[ImageFile, str]:
    """The image of one row, and its split."""

    def field(column: str) -> str:
        position = columns.get(column)
        return row[position] if position is not None and position < len(row) else ""

    name, label, split = field("path"), field("label"), field("split")
    if "label" not in columns:
        label = class_name or ""
    if not name or not label:
        raise VisionLoraError(
            f"{path} line {number}: no {'label' if name else 'path'}; fill it in, or remove the line"
        )
    where = split_name(split) if "split" in columns else "train"
    if where is None:
        raise VisionLoraError(f"{path} line {number}: split is {split!r}; write train, val or test")
    # Tables written on Windows; joining leaves an absolute path as it is.
    return ImageFile(path.parent / name.replace("\\", "/"), label), where
