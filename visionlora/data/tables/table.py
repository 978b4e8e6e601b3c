"""Read a table of image path, label and, if wanted, split."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from visionlora.data.images.decode import ImageFile
from visionlora.data.names.split_names import split_and_rest
from visionlora.data.tables.cell_words import rows_of_images, with_named_splits
from visionlora.data.tables.columns import Columns, find_columns
from visionlora.data.tables.folder_labels import with_folders
from visionlora.data.tables.numbered_labels import with_numbered_labels
from visionlora.data.tables.ranges import with_ranges
from visionlora.data.tables.row_notes import grouped_rows, merged_cells, refuse_image_names, refused_rows
from visionlora.data.tables.rows import Rows, read_rows
from visionlora.data.tables.several_labels import (
    AUTO,
    LabelForm,
    SeveralLabels,
    label_form,
    refuse_several,
    tags_note,
)
from visionlora.data.tables.split_by_folders import split_by_folders
from visionlora.data.tables.table_images import TableImages
from visionlora.errors import VisionLoraError
from visionlora.text import counted


@dataclass(frozen=True)
class Table:
    """What a table lists: split -> images, the layout in words, what the user should know of."""

    images: Mapping[str, Sequence[ImageFile]]
    layout: str
    notes: tuple[str, ...] = ()
    unlabelled: frozenset[Path] = frozenset()
    """Files that are named with no class."""
    columns: tuple[str, ...] = ()
    """The names of the columns, where they have some."""
    label: str = ""
    """That of the column of labels, where it has one."""

    def left_out(self, found: Iterable[Path]) -> list[Path]:
        """The files that the table does not name."""
        listed = {image.path for images in self.images.values() for image in images} | self.unlabelled
        names = {os.path.normpath(path) for path in listed}
        return [path for path in found if os.path.normpath(path) not in names]


def is_called_like_labels(path: Path) -> bool:
    """Whether a table is called like one of labels, or of train: ``y_train.csv``, ``labels.csv``."""
    return split_and_rest(path.stem)[0] == "train" or "label" in path.stem.casefold()


def labels_in(path: Path, several: bool = False) -> bool:
    """Whether the table has a column of labels (a ``metadata.csv`` of captions has none)."""
    try:
        rows = _rows(path, several)
    except SeveralLabels:  # whoever reads it says so
        return True
    # Of two columns the one that is not the path is the label in a table that is called so.
    two = len(rows.numbered[0][1]) == 2 and is_called_like_labels(path)
    columns = find_columns(path, rows, None if two else "", refuse=False, several=several)
    return columns is not None and columns.has_labels


def read_table(path: Path, class_name: str | None = None, separator: str | None = None) -> Table:
    """Read ``path``; without a split column everything is train.

    Paths are absolute or relative to the table's folder; where a file is not there, the one file of that name
    below the folder is meant. The first line may name the columns in any usual words and order; without such
    a line they are path, label, split. Commas, semicolons, tabs and bars separate; JSON is read as
    :func:`visionlora.data.tables.json_rows.json_table` says. ``class_name`` stands in for a label column
    that is not there. One column of 0 and 1 for each class (Roboflow's ``_classes.csv``) is understood, too.

    With a ``separator`` (``auto``, or a word of :data:`visionlora.data.tables.several_labels.SEPARATORS`)
    an image has any number of labels: those of its cell, those whose columns have a 1, or those of all
    its lines.

    Raises:
        VisionLoraError: not such a table, a line that cannot be used, files that do not exist (counted up to
            a thousand), or a file with two labels where an image has one.
    """
    rows = with_named_splits(_rows(path, separator is not None or class_name is not None))
    if class_name is None and separator is None:
        rows = with_folders(rows)
    columns = find_columns(path, rows, class_name, several=separator is not None)
    assert columns is not None
    form, notes = _form(path, rows, columns, separator)
    names = rows.numbered[0][1] if columns.header else None
    place = columns.label
    called = names[place] if names and place is not None else f"{(place or 0) + 1}"
    reader = TableImages(path, columns, class_name, form, rows.unit, called)
    if names:
        body = [row for _, row in rows.numbered[1:]]
        notes += refused_rows(names, body, columns.used, rows.unit)
        if columns.split is None and not columns.flags:
            notes += grouped_rows(names, body, columns.used)
    again = [number for number, row in rows.numbered[columns.header :] if row == names]
    if again:  # tables joined with cat
        notes.append(f"line {again[0]} has the names of the columns once more: left out")
    several: dict[int, int] = {}
    for number, row in rows.numbered[columns.header :]:
        its = [] if row == names else [*rows_of_images(row, columns.path)]
        if len(its) > 1:
            several[number] = len(its)
        for one in its:
            reader.add(number, one)
    if several:
        notes.append(
            f"{counted(len(several), f'{rows.unit} names', 'rows name')} several images: each has the label "
            "of its row, and may be on either side of a split that is made"
        )
    notes = [*rows.notes, *columns.notes, *notes, *reader.finish()]
    if not reader.found.get("train"):
        others = " and ".join(reader.found)
        what = f"all of them are {others}: write train for some" if others else "add lines of path and label"
        raise VisionLoraError(f"{path} lists no images to train with; {what}")
    images, said = split_by_folders(path, reader.found, columns.split is not None or bool(columns.flags))
    notes += said
    words = columns.words if form is None or columns.label is None else f"{columns.words}; {form.words}"
    label = names[place] if names and place is not None else ""
    return Table(
        images, f"table {path.name} ({words})", tuple(notes), frozenset(reader.unlabelled),
        tuple(names or ()), label,
    )  # fmt: skip


def _rows(path: Path, several: bool) -> Rows:
    """A row for each image with one column of labels; ``several``: which may hold any number of them.

    Raises:
        VisionLoraError: no table, or ranges of images that are not numbered.
        SeveralLabels: an image has several labels in several columns, and not ``several``.
    """
    return with_numbered_labels(path, with_ranges(path, read_rows(path)), several)


def _form(
    path: Path, rows: Rows, columns: Columns, separator: str | None
) -> tuple[LabelForm | None, list[str]]:
    """How a row holds several labels (None: it has one), and what the user should know of it.

    Raises:
        VisionLoraError: a row has several, and there is no separator.
    """
    if columns.label is None:
        return (None if separator is None else label_form([], AUTO)), []
    place = columns.label
    cells = [row[place] for _, row in rows.numbered[columns.header :] if place < len(row)]
    name = rows.numbered[0][1][place] if columns.header else str(place + 1)
    refuse_image_names(path, name, cells)
    if separator is None:
        refuse_several(path, name, cells)
        return None, [*tags_note(name, cells), *merged_cells(cells, rows.unit)]
    paths = [row[columns.path] for _, row in rows.numbered if columns.path < len(row)]
    form = label_form(cells, separator, len(set(paths)) < len(paths))
    return form, [f"column {name}: {form.words} (data.separator={separator})"]
