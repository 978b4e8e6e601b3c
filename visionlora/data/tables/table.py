"""Read a table of image path, label and, if wanted, split."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from visionlora.data.images.decode import ImageFile, labelled
from visionlora.data.names.split_names import cell_split
from visionlora.data.names.yes_no import YES
from visionlora.data.tables.columns import Columns, find_columns, one_hot
from visionlora.data.tables.files_by_name import FilesByName, PathsOf
from visionlora.data.tables.folder_labels import with_folders
from visionlora.data.tables.json_rows import LIST
from visionlora.data.tables.row_notes import grouped_rows, label_notes, refuse_image_names, refused_rows
from visionlora.data.tables.rows import Rows, read_rows
from visionlora.data.tables.several_labels import (
    AUTO,
    LabelForm,
    SeveralLabels,
    flagged,
    label_form,
    only_one,
    refuse_several,
    tags_note,
)
from visionlora.data.tables.split_by_folders import split_by_folders
from visionlora.errors import VisionLoraError
from visionlora.text import listed

MANY = 1000
"""Rows whose files are missing, after which they are looked for: a table of a million is refused at once."""


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


def labels_in(path: Path, several: bool = False) -> bool:
    """Whether the table has a column of labels (a ``metadata.csv`` of captions has none)."""
    rows = read_rows(path)
    columns = find_columns(path, rows, "", refuse=False, several=several)
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
    rows = read_rows(path)
    if class_name is None and separator is None:
        rows = with_folders(rows)
    columns = find_columns(path, rows, class_name, several=separator is not None)
    assert columns is not None
    form, notes = _form(path, rows, columns, separator)
    names = rows.numbered[0][1] if columns.header else None
    place = columns.label
    called = names[place] if names and place is not None else f"{(place or 0) + 1}"
    reader = _Reader(path, columns, class_name, form, rows, called)
    if names:
        body = [row for _, row in rows.numbered[1:]]
        notes += refused_rows(names, body, columns.used, rows.unit)
        if columns.split is None and not columns.flags:
            notes += grouped_rows(names, body, columns.used)
    again = [number for number, row in rows.numbered[columns.header :] if row == names]
    if again:  # tables joined with cat
        notes.append(f"line {again[0]} has the names of the columns once more: left out")
    for number, row in rows.numbered[columns.header :]:
        if row != names:
            reader.add(number, row)
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
        return None, tags_note(name, cells)
    paths = [row[columns.path] for _, row in rows.numbered if columns.path < len(row)]
    form = label_form(cells, separator, len(set(paths)) < len(paths))
    return form, [f"column {name}: {form.words} (data.separator={separator})"]


class _Reader:
    """The images of a table, row by row."""

    def __init__(
        self,
        path: Path,
        columns: Columns,
        class_name: str | None,
        form: LabelForm | None,
        rows: Rows,
        label_column: str,
    ) -> None:
        self.path = path
        self.label_column = label_column
        self._paths = PathsOf(path)
        self.unit = rows.unit
        self.columns = columns
        self.class_name = class_name
        self.form = form
        self.found: dict[str, list[ImageFile]] = {}
        self._line_of: dict[Path, tuple[int, str, str]] = {}
        self._lines: dict[Path, tuple[str, set[str]]] = {}
        self._missing: list[tuple[Path, str]] = []
        self._repeated = 0
        self.unlabelled: list[Path] = []

    def at(self, number: int) -> str:
        """Where a row is, in words."""
        return f"{self.path} {self.unit} {number}"

    def add(self, number: int, row: Sequence[str]) -> None:
        """Take one row."""
        name, label, where = self._fields(number, row)
        if label is None:
            self.unlabelled.append(self._paths.existing(name) or self.path.parent / name)
            return
        image = self._image(name, row, where)
        if self.form is not None:
            self._add_labels(number, row, image, where)
            return
        key = Path(os.path.normpath(image)) if ".." in name else image
        seen = self._line_of.get(key)
        if seen is not None:
            self._require_same(number, image, where, seen[2])
            if seen[1] != label:
                raise SeveralLabels(
                    f"{self.at(number)}: {image} is already in {self.unit} {seen[0]}, as {seen[1]!r}, and "
                    f"{label!r} here; remove one of the lines, or set task=multi_label to learn both"
                )
            self._repeated += 1
            return
        self._line_of[key] = number, label, where
        self.found.setdefault(where, []).append(ImageFile(image, label))

    def _image(self, name: str, row: Sequence[str], where: str) -> Path:
        """The file that a row means; one that is not there is looked for later."""
        image = self._paths.existing(name)
        for place in (self.columns.folder, self.columns.split):  # train/0.png beside test/0.png
            if image is None and place is not None and place < len(row):
                within = f"{row[place]}/{name}".replace("\\", "/")
                image = self._paths.existing(within)
                name = within if place == self.columns.folder else name
        if image is None and not self._missing:
            image = self._paths.existing_above(name)
        if image is None:
            image = self.path.parent / name
            self._missing.append((image, where))
            if len(self._missing) == MANY:
                gone = [one for one in self._missing if not self._files.like(*one)]
                if 2 * len(gone) > MANY:
                    self._files.only(*gone[0], self._line_of, MANY, so_far=True)
        return image

    def _add_labels(self, number: int, row: Sequence[str], image: Path, where: str) -> None:
        """Take the labels of a row; those of several rows of an image belong together."""
        assert self.form is not None
        if self.columns.classes:
            names = flagged(self.at(number), row, self.columns.classes)
        else:
            place = self.columns.label
            names = self.form.names(row[place] if place is not None and place < len(row) else "")
        seen = self._lines.setdefault(image, (where, set()))
        self._require_same(number, image, where, seen[0])
        if image in self._line_of:
            self._repeated += 1
        self._line_of[image] = number, "", where
        seen[1].update(names)

    def _require_same(self, number: int, image: Path, where: str, above: str) -> None:
        if where != above:
            raise VisionLoraError(
                f"{self.at(number)}: {image} is in {where}, and in {above} above; leave one"
            )

    def finish(self) -> list[str]:
        """Find the files that are not where the table says, below its folder; say what was done."""
        notes = [f"paths are taken from {folder}" for folder in self._paths.above]
        for image, (where, names) in self._lines.items():
            self.found.setdefault(where, []).append(labelled(image, names))
        if self.form is not None and self.columns.classes:
            known = set().union(*(names for _, names in self._lines.values()))
            unused = [name for name in self.columns.classes if name not in known]
            if unused:
                notes.append(f"{self.path.name}: no image has {listed(unused, most=5)}")
        if self._missing:
            moved, said = self._files.found(self._missing, self._line_of)
            for images in self.found.values():
                images[:] = [replace(one, path=moved.get(one.path, one.path)) for one in images]
            notes += said
            self.unlabelled = [
                same[0] if len(same := self._files.like(path, "train")) == 1 else path
                for path in self.unlabelled
            ]
        if self._repeated:
            again = "are about an image of another line: their labels are added"
            again = "repeat an image with the same label: left out" if self.form is None else again
            notes.append(f"{self._repeated} lines {again}")
        if self.unlabelled:
            lines = "lines name" if self.unit == "line" else "entries name"
            lines = f"1 {self.unit} names" if len(self.unlabelled) == 1 else f"{len(self.unlabelled)} {lines}"
            notes.append(f"{lines} an image and no class: left out")
        images = [image for split in self.found.values() for image in split]
        return notes if self.form else [*notes, *label_notes(images, self.label_column)]

    @cached_property
    def _files(self) -> FilesByName:
        return FilesByName(self.path)

    def _fields(self, number: int, row: Sequence[str]) -> tuple[str, str | None, str]:
        def field(position: int | None) -> str:
            return row[position] if position is not None and position < len(row) else ""

        columns = self.columns
        # Tables written on Windows; joining leaves an absolute path as it is.
        name = field(columns.path).replace("\\", "/")
        label: str | None = (
            only_one(field(columns.label)) if columns.label is not None else self.class_name or ""
        )
        if self.form is not None:
            label = "any" if name else ""
        elif columns.classes:
            label = one_hot(self.at(number), row, columns)
        elif not label and columns.label is not None and columns.label < len(row):
            label = None  # nobody has labelled it yet
        if not name or LIST in name or label in ("", LIST):
            lacking = "no label, or several" if name and LIST not in name else "no path, or several"
            raise VisionLoraError(f"{self.at(number)}: {lacking}; write it, or remove the line")
        return name, label, self._split(number, row, field(columns.split))

    def _split(self, number: int, row: Sequence[str], split: str) -> str:
        columns = self.columns
        for flag, position in columns.flags.items():
            if position < len(row) and row[position].casefold() in YES:
                return flag
        if columns.split is None:
            return "train" if not columns.flags or "train" not in columns.flags else "val"
        where = cell_split(split)
        if where is None:
            raise VisionLoraError(f"{self.at(number)}: split is {split!r}; write train, val or test")
        return where
