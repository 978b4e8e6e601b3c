"""The images that a table lists, row by row: the file of each, its labels and its split."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from visionlora.data.images.decode import ImageFile, labelled
from visionlora.data.names.split_names import cell_split
from visionlora.data.names.yes_no import YES
from visionlora.data.tables.columns import Columns, one_hot
from visionlora.data.tables.files_by_name import FilesByName, PathsOf
from visionlora.data.tables.json_rows import LIST
from visionlora.data.tables.row_notes import label_notes
from visionlora.data.tables.several_labels import LabelForm, SeveralLabels, flagged, only_one
from visionlora.errors import VisionLoraError
from visionlora.text import listed

MANY = 1000
"""Rows whose files are missing, after which they are looked for: a table of a million is refused at once."""


class TableImages:
    """The images of a table: :meth:`add` takes a row, :meth:`finish` comes after the last.

    Args:
        path: of the table.
        columns: what each column holds.
        class_name: of all images, where the table has no labels.
        form: how a row holds several labels; None: an image has one.
        unit: what a row is called: line or entry.
        label_column: the name or the number of the column of labels.
    """

    def __init__(
        self,
        path: Path,
        columns: Columns,
        class_name: str | None,
        form: LabelForm | None,
        unit: str,
        label_column: str,
    ) -> None:
        self.path = path
        self.label_column = label_column
        self._paths = PathsOf(path)
        self.unit = unit
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
