"""Recognise how a folder of labelled images is laid out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from visionlora.data.files.walk import Entries, entries, has_images
from visionlora.data.layout.labelled_beside import labelled_beside
from visionlora.data.layout.layout import Layout
from visionlora.data.layout.pairs import are_shards
from visionlora.data.layout.recognise_splits import maker, split_folders, splits_of_classes
from visionlora.data.layout.wrappers import WRAPPERS, table_in, without_strays, wrapped
from visionlora.data.names.split_names import are_parts, split_name
from visionlora.data.tables.joins import describe_join
from visionlora.data.tables.label_files import describe_lists, files_of, lists_in
from visionlora.data.tables.several_labels import AUTO
from visionlora.data.tables.table import labels_in, read_table
from visionlora.data.tables.tables_beside import tables_beside
from visionlora.data.tables.unread_tables import describe_tables
from visionlora.errors import VisionLoraError
from visionlora.text import Doubt


@dataclass
class _Way:
    """What was seen on the way from the root to the folder that has the images.

    Attributes:
        root: what the user gave.
        entered: a note about the folder that was entered, if it was.
        strays: notes about what was left out beside it.
        lists: of splits.
        beside: files that may be tables.
    """

    root: Path
    entered: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    lists: list[Path] = field(default_factory=list)
    beside: list[Path] = field(default_factory=list)

    def decided(self, layout: Layout) -> Layout:
        """The layout with all that was seen before it was recognised."""
        lists = (*self.lists, *layout.lists) if layout.images else ()
        unused = describe_lists([] if lists else self.lists, layout.tables.values())
        notes = (*self.entered, *self.strays, *unused, *layout.notes)
        return replace(layout, lists=lists, beside=(*self.beside, *layout.beside), notes=notes)


def recognise(root: Path, class_name: str | None = None, several: bool = False) -> Layout:
    """How the folder ``root`` is laid out; ``several``: images have any number of labels, in tables.

    Raises:
        VisionLoraError: folders that contradict each other, or no images.
    """
    way = _Way(root)
    here, said = root, list[str]()
    for _ in range(WRAPPERS):
        found = entries(here)
        way.lists += lists_in(here)
        way.beside += files_of(here)
        if here != root:
            only = "" if said else " is the only folder with images"
            way.entered = [f"{here.relative_to(root).as_posix()}{only}: entered"]
        layout = _table(found, several)
        if layout is None and not class_name:
            found, said = without_strays(here, found)
            way.strays += said
        layout = layout or split_folders(root, here, found, class_name, several)
        if layout is None and class_name is None:
            layout = splits_of_classes(found)
        within = _labelled_within(root, found, several) if class_name is None else None
        if (layout := within or layout) is not None:
            return way.decided(layout)
        inside, said = wrapped(found)
        way.strays += said
        if inside is None:
            break
        here = inside
    return _without_splits(way, here, found, class_name, several)


def _without_splits(way: _Way, here: Path, found: Entries, class_name: str | None, several: bool) -> Layout:
    """The layout of the folder ``here``, which has no splits: images that files beside them label, images of
    one class, or class folders."""
    parts = are_parts([folder.name for folder in found.folders]) or are_shards(found.folders)
    filled = list(islice((folder for folder in found.folders if has_images(folder)), None if parts else 2))
    # A class, or images that a table labels; so are the parts of a data set.
    if class_name is None and (len(filled) < 2 or parts) and not (filled and found.images):
        folders = {"train": filled[0] if len(filled) == 1 else here}
        layout = labelled_beside(way.root, folders, "images", several, filled)
        if layout is not None:
            return way.decided(layout)
    name = "images of one class" if found.images and not filled else "class folders"
    lone = filled[0] if len(filled) == 1 and not found.images else None
    notes = (*way.entered, *way.strays, *_unread(way, here, found, lone))
    return Layout(name, {"train": here}, lists=tuple(way.lists), beside=tuple(way.beside), notes=notes)


def _unread(way: _Way, here: Path, found: Entries, lone: Path | None) -> Sequence[str]:
    """Notes about the tables beside class folders, which are not read; ``lone``: the one class folder."""
    unread = [
        path for path in way.beside if path not in way.lists or (lone and path.suffix.casefold() != ".txt")
    ]
    tables = [path for path in unread if found.folders or path.parent != here]
    joined = describe_join(tables, (path.stem for path in entries(lone).images)) if lone else ""
    if lone and joined:
        return [Doubt(f"{lone.name} is taken for the one class; {joined}")]
    return describe_tables(tables, lone.name if lone else None)


def _labelled_within(root: Path, found: Entries, several: bool) -> Layout | None:
    """What is in the one folder that holds images, where files in it or below it give them several classes:
    it is no class then, unless it is called like one of them."""
    folders = [folder for folder in found.folders if has_images(folder)]
    if len(folders) != 1 or found.images or split_name(folders[0].name):
        return None
    inside = entries(folders[0])
    if not (inside.images or any(entries(one).images for one in inside.folders)):
        return None
    try:
        layout = recognise(folders[0], None, several)
        tables = [read_table(path, None, AUTO if several else None) for path in layout.tables.values()]
    except VisionLoraError:
        return None
    # A table beside the folder says more than the boxes in it.
    if layout.images and tables_beside(root, {"train": folders[0]}, several, folders)[0]:
        return None
    found_in = [*(some for table in tables for some in table.images.values()), *layout.images.values()]
    classes = {name for some in found_in for image in some for name in image.names}
    if len(classes) < 2 or folders[0].name in classes:
        return None
    note = f"{folders[0].relative_to(root).as_posix()} is not taken for a class: entered"
    return replace(layout, notes=(note, *layout.notes))


def _table(found: Entries, several: bool) -> Layout | None:
    """A table of labels in the folder itself."""
    table = table_in(found)
    if table is None:
        return None
    if not labels_in(table, several):
        if found.folders:
            return None
        raise VisionLoraError(
            f"{table}: no column of labels; add a column `label`, or sort the images into class folders"
        )
    return Layout(f"{maker(table)} {table.name}", tables={"": table})
