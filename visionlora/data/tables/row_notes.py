"""What a user should know of the rows of a table, all of which are used."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from visionlora.data.files.formats import is_image_name
from visionlora.data.images.decode import ImageFile
from visionlora.data.names.yes_no import NO, NO_VALUE, YES
from visionlora.data.tables.cells import Body, is_number, values_of
from visionlora.errors import VisionLoraError
from visionlora.text import Doubt

_REFUSED = frozenset(
    (
        "reject", "rejected", "refused", "ignore", "ignored", "skip", "skipped", "delete", "deleted",
        "exclude", "excluded", "bad", "invalid", "discard", "discarded", "cancelled", "canceled", "remove",
        "removed", "unusable",
    )
)  # fmt: skip
"""What annotators write beside an image that should not be used."""
_ONE_OF_MANY = frozenset(
    (
        "patient", "patients", "subject", "participant", "lesion", "specimen", "slide", "individual", "video",
        "clip", "burst", "session", "scan", "study",
    )
)  # fmt: skip
"""What several images may show, which then are alike."""
_MOST_LABELS = 0.5
_FEW = 10
_ENTITY = re.compile(r"&(#\d+|#x[0-9a-f]+|[a-z]{2,6});", re.IGNORECASE)


def refuse_image_names(path: Path, name: str, cells: Sequence[str]) -> None:
    """Refuse a table whose labels are files.

    Args:
        path: the table.
        name: of the column of labels.
        cells: that column.

    Raises:
        VisionLoraError: most of them are names of images.
    """
    if cells and sum(map(is_image_name, cells)) > len(cells) / 2:
        raise VisionLoraError(
            f"{path}: column {name} has names of images where classes are wanted (masks? pairs?); add a "
            "column label that has the classes"
        )


def refused_rows(names: Sequence[str], body: Body, used: Iterable[int | None], unit: str) -> list[str]:
    """A note about rows that somebody has refused, by a column that is not read.

    Args:
        names: of the columns.
        body: the rows below them.
        used: the columns that are read.
        unit: what a row is called.
    """
    notes = []
    read = set(used)
    for place, name in enumerate(names):
        cells: Counter[str] = Counter() if place in read else Counter(values_of(body, place))
        refused = Counter({cell: times for cell, times in cells.items() if _refuses(name, cell)})
        if not 0 < refused.total() < len(body):
            continue
        word = refused.most_common(1)[0][0]
        have = f"1 {unit} has {word!r} in column {name} and is used anyway; remove it if it"
        if refused.total() > 1:
            rows = f"{refused.total()} {unit}s" if unit == "line" else f"{refused.total()} entries"
            have = f"{rows} have {word!r} in column {name} and are used anyway; remove them if they"
        notes.append(f"{have} should not be")
    return notes


def merged_cells(cells: Sequence[str], unit: str) -> list[str]:
    """A note about labels that stand in one row each with empty ones below: cells that were merged in a
    spreadsheet, of which a CSV has the first alone.

    Args:
        cells: the column of labels.
        unit: what a row is called.
    """
    labels = [cell for cell in cells if cell]
    if not cells or not cells[0] or len({*labels}) < len(labels) or not 1 < len(labels) <= len(cells) / 2:
        return []
    said = f"each label is in one {unit}, with none in those below it (merged cells of a spreadsheet?)"
    return [Doubt(f"{said}; write it into all of them, or they are left out")]


def grouped_rows(names: Sequence[str], body: Body, used: Iterable[int | None]) -> list[str]:
    """A note about a column that says which images are of one patient, where nothing says the splits.

    Args:
        names: of the columns.
        body: the rows below them.
        used: the columns that are read.
    """
    read = set(used)
    for place, name in enumerate(names):
        if place in read or not _words(name) & _ONE_OF_MANY:
            continue
        cells = values_of(body, place)
        if 1 < len(set(cells)) < len(cells):
            have = f"column {name} has {len(set(cells))} values for {len(cells)} images: those of one may"
            return [f"{have} be on both sides of the split that is made; a column split keeps them together"]
    return []


def _refuses(name: str, cell: str) -> bool:
    word = cell.casefold()
    if word in _REFUSED:
        return True
    words = _words(name)
    if word in YES:
        return bool(words & (_REFUSED | {"blurry", "corrupt", "broken"}))
    return word in NO and bool(words & {"confidence", "valid", "usable", "approved", "accepted"})


def _words(name: str) -> set[str]:
    """The words of a column's name, also those of ``patientId``."""
    return set(re.split(r"[\W_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).casefold()))


def _are_numbers(labels: Collection[str]) -> bool:
    """Whether classes are numbers from 0 on, of which -1 is none: 1 and -1 may be two classes."""
    return {"0", "1"} <= set(labels) and all(map(is_number, labels))


def label_notes(images: Sequence[ImageFile], column: str) -> list[str]:
    """Notes about labels that are none, or are written in another way than they are read.

    Args:
        images: with one label each.
        column: that holds the labels.
    """
    labels = Counter(image.label for image in images if image.label is not None)
    notes = [
        f"{label!r} is taken for the class of {count} image{'s' if count > 1 else ''}; if it stands for "
        "no label, remove those lines"
        for label, count in labels.items()
        if label.casefold() in NO_VALUE or (label == "-1" and _are_numbers(labels))
    ]
    many = len(labels) >= _FEW and len(labels) > _MOST_LABELS * len(images)
    if many or (len(labels) == 1 and len(images) >= _FEW):
        have = f"have {len(labels)} labels" if many else f"have the label {images[0].label!r}"
        notes.append(
            Doubt(f"{len(images)} images {have}; is column {column} the label? Call the right one label")
        )
    if coded := next((label for label in labels if _ENTITY.search(label)), None):
        notes.append(f"labels are written for web pages ({coded}); they are learned as they are written")
    return notes
