"""Tables beside images that are not read, and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from visionlora.data.files.formats import LFS, SUFFIXES
from visionlora.data.names.split_names import split_and_rest
from visionlora.data.tables.files_by_name import is_table_folder
from visionlora.data.tables.label_files import (
    LISTS_OF_LABELS,
    TABLES,
    files_of,
    has_labels,
    may_be_table,
    may_name_classes,
    up_to,
)
from visionlora.data.tables.table import labels_in
from visionlora.errors import VisionLoraError
from visionlora.files import is_regular
from visionlora.text import Doubt

_TEXTS = (".yaml", ".yml")
_SHEETS = (
    ".mat", ".xlsx", ".xls", ".xlsm", ".ods", ".numbers", ".parquet", ".rds", ".sav", ".dta", ".accdb",
)  # fmt: skip
_PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip", ".rar", ".7z", ".tgz")


def unread_table(folder: Path, root: Path) -> Path | None:
    """A table of another program that may list the labels."""
    files = [path for here in up_to(folder, root) for path in files_of(here)]
    sheets = [path for path in files if path.suffix.casefold() in _SHEETS or is_packed_table(path)]
    sheets += [path for path in files if path.suffix.casefold() in _TEXTS and _names_images(path)]
    return max(sheets, key=lambda path: split_and_rest(path.stem)[0] == "train", default=None)


def is_packed_table(path: Path) -> bool:
    """Whether a file is called like a table that is packed, or a folder of them: ``labels.csv.gz``,
    ``annotations.zip``."""
    if path.suffix.casefold() not in _PACKED:
        return False
    inner = Path(path.stem).suffix.casefold()
    return inner in LISTS_OF_LABELS or is_table_folder(path.stem.removesuffix(".tar"))


def describe_tables(files: Sequence[Path], lone: str | None = None) -> list[str]:
    """A note about a table of labels beside class folders, which may be folders of something else.

    Args:
        files: what lies beside them.
        lone: the one class folder that there is.
    """
    some = [path for path in files if path.suffix.casefold() in (*TABLES, ".txt")]
    tables = [path for path in some if _speaks_of_images(path) and may_be_table(path) and has_labels(path)]
    tables.sort(key=lambda path: split_and_rest(path.stem)[0] != "train")
    if tables or lone is None:
        said = [f"{path.name} lists labels and is not read; data.root={path} reads it" for path in tables[:1]]
        return said if lone is None else [Doubt(f"{lone} is taken for the one class; {said[0]}")]
    sheets = [path for path in files if path.suffix.casefold() in (".csv", ".tsv", *_SHEETS)]
    sheets += [path for path in files if path.suffix.casefold() in _TEXTS and _names_images(path)]
    return [
        Doubt(f"{lone} is taken for the one class, and {path.name}{_why_not(path)}") for path in sheets[:1]
    ]


def _why_not(path: Path) -> str:
    """Why a table is not read, or what to do if it lists classes."""
    how = "call their column label" if path.suffix.casefold() in TABLES else "save it as CSV (UTF-8)"
    try:
        labels_in(path)
    except VisionLoraError as error:
        if str(error).startswith(f"{path}: "):
            return f" is not read: {str(error).removeprefix(f'{path}: ')}"
        if LFS in str(error):
            return str(error).removeprefix(str(path))
    return f" is not read; if that lists the classes of the images, {how}"


def _speaks_of_images(path: Path) -> bool:
    """Whether a table is worth a look: a text, or one that is called like a list of classes, only where an
    image is in its first lines. Looking for the files of every text would take a walk through all images."""
    if path.suffix.casefold() != ".txt" and not may_name_classes(path):
        return True
    return _names_images(path)


def _names_images(path: Path) -> bool:
    """Whether an image is in the first lines of a text."""
    if not is_regular(path):  # a link to nothing
        return False
    try:
        with path.open("rb") as file:
            head = file.read(4096).decode("latin-1").casefold()
    except OSError:
        return False
    return any(suffix in head for suffix in SUFFIXES)
