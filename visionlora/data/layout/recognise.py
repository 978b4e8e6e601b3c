"""Recognise how a folder of labelled images is laid out."""

from __future__ import annotations

from dataclasses import replace
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
from visionlora.data.tables.label_files import describe_lists, describe_tables, files_of, lists_in
from visionlora.data.tables.several_labels import AUTO
from visionlora.data.tables.table import labels_in, read_table
from visionlora.data.tables.tables_beside import tables_beside
from visionlora.errors import VisionLoraError
from visionlora.text import Doubt


def recognise(root: Path, class_name: str | None = None, several: bool = False) -> Layout:
    """How the folder ``root`` is laid out; ``several``: images have any number of labels, in tables.

    Raises:
        VisionLoraError: folders that contradict each other, or no images.
    """
    notes: list[str] = []
    strays: list[str] = []
    lists: list[Path] = []
    beside: list[Path] = []
    here = root
    said: list[str] = []

    def decided(layout: Layout) -> Layout:
        used = (*lists, *layout.lists) if layout.images else ()
        unused = describe_lists([] if used else lists, layout.tables.values())
        said = (*notes, *strays, *unused, *layout.notes)
        return replace(layout, lists=used, beside=(*beside, *layout.beside), notes=said)

    for _ in range(WRAPPERS):
        found = entries(here)
        lists += lists_in(here)
        beside += files_of(here)
        if here != root:
            only = "" if said else " is the only folder with images"
            notes[:] = [f"{here.relative_to(root).as_posix()}{only}: entered"]
        layout = _table(found, several)
        if layout is None and not class_name:
            found, said = without_strays(here, found)
            strays += said
        layout = layout or split_folders(root, here, found, class_name, several)
        if layout is None and class_name is None:
            layout = splits_of_classes(found)
        within = _labelled_within(root, found, several) if class_name is None else None
        layout = within or layout
        if layout is not None:
            return decided(layout)
        inside, said = wrapped(found)
        strays += said
        if inside is None:
            break
        here = inside
    parts = are_parts([folder.name for folder in found.folders]) or are_shards(found.folders)
    filled = list(islice((folder for folder in found.folders if has_images(folder)), None if parts else 2))
    # A class, or images that a table labels; so are the parts of a data set.
    if class_name is None and (len(filled) < 2 or parts) and not (filled and found.images):
        folders = {"train": filled[0] if len(filled) == 1 else here}
        layout = labelled_beside(root, folders, "images", several, filled)
        if layout is not None:
            return decided(layout)
    name = "images of one class" if found.images and not filled else "class folders"
    lone = filled[0].name if len(filled) == 1 and not found.images else None
    unread = [path for path in beside if path not in lists or (lone and path.suffix.casefold() != ".txt")]
    tables = [path for path in unread if found.folders or path.parent != here]
    joined = describe_join(tables, (path.stem for path in entries(filled[0]).images)) if lone else ""
    said = (
        [Doubt(f"{lone} is taken for the one class; {joined}")] if joined else describe_tables(tables, lone)
    )
    notes += [*strays, *said]
    return Layout(name, {"train": here}, lists=tuple(lists), beside=tuple(beside), notes=tuple(notes))


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
