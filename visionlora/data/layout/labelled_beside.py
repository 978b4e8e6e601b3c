"""Folders of images without class folders, where other files say their labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from visionlora.data.files.walk import entries
from visionlora.data.layout.class_lists import labelled_by_lists
from visionlora.data.layout.layout import Layout
from visionlora.data.tables.label_files import may_name_classes
from visionlora.data.tables.sidecars import labelled_by_sidecars, places_of
from visionlora.data.tables.tables_beside import tables_beside


def labelled_beside(
    root: Path, folders: Mapping[str, Path], name: str, several: bool, maybe: Sequence[Path] = ()
) -> Layout | None:
    """Images in folders without classes, where other files say their labels; ``maybe`` may be classes."""
    tables, notes = tables_beside(root, folders, several, maybe)
    if tables:
        words = " and ".join(table.name for table in tables.values())
        return Layout(f"{name}, labels in {words}", tables=tables, notes=tuple(notes))
    if len(folders) == 1 and len(maybe) < 2:
        images, notes = labelled_by_lists(root, folders["train"], several)
        if images:
            return Layout(f"{name}, a list of each class", images=images, notes=tuple(notes))
    if maybe:
        return None  # its boxes say what is in it
    images, notes = labelled_by_sidecars(folders, several)
    if not images:
        return None
    places = dict.fromkeys(place for folder in folders.values() for place in places_of(folder))
    names = [path for place in places for path in entries(place).others if may_name_classes(path)]
    return Layout(
        f"{name}, each beside a file of its class", images=images, beside=tuple(names), notes=tuple(notes)
    )
