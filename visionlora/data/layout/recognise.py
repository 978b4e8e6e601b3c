"""Recognise how a folder of labelled images is laid out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from visionlora.data.files.walk import Entries, entries, has_files, has_images
from visionlora.data.images.decode import ImageFile
from visionlora.data.layout.inner_splits import inner_splits, splits_in_names
from visionlora.data.layout.layout_hints import describe_packed, refuse_copies
from visionlora.data.layout.masks import is_masks
from visionlora.data.layout.pairs import are_shards
from visionlora.data.layout.split_folders import are_splits, one_each, shape
from visionlora.data.layout.split_labels import unlabelled_splits
from visionlora.data.layout.wrappers import WRAPPERS, inside_of, table_in, without_strays, wrapped
from visionlora.data.names.split_names import (
    SPLITS,
    are_parts,
    is_unlabelled,
    named_splits,
    split_and_rest,
    split_name,
)
from visionlora.data.tables.files_by_name import is_table_folder
from visionlora.data.tables.label_files import (
    describe_lists,
    describe_tables,
    files_of,
    lists_in,
    may_name_classes,
)
from visionlora.data.tables.several_labels import AUTO
from visionlora.data.tables.sidecars import labelled_by_sidecars, places_of
from visionlora.data.tables.table import labels_in, read_table
from visionlora.data.tables.tables_beside import tables_beside
from visionlora.errors import VisionLoraError

CONTRAST = "contrast"
"""Images of other things that come with the labelled ones; nobody labels them."""


@dataclass(frozen=True)
class Layout:
    """Where the labelled images of each split are.

    Attributes:
        name: the layout in words.
        folders: split -> the folder of its class folders, or of its images where there is one class.
        tables: split -> a table of its images; the split "" is decided in the table.
        inner: class folders hold split folders: class -> split -> folder.
        images: split -> its images, where files beside them say their labels.
        lists: files that may say which images of class folders are of which split.
        beside: files that are no images, in the folder and those that were entered.
        notes: decisions that the user should know of.
    """

    name: str
    folders: Mapping[str, Path] = field(default_factory=dict)
    tables: Mapping[str, Path] = field(default_factory=dict)
    inner: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)
    images: Mapping[str, Sequence[ImageFile]] = field(default_factory=dict)
    lists: tuple[Path, ...] = ()
    beside: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


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
        layout = layout or _splits(root, here, found, class_name, several)
        if layout is None and class_name is None:
            layout = _splits_of_classes(found)
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
        layout = _labelled_beside(root, folders, "images", several, filled)
        if layout is not None:
            return decided(layout)
    name = "images of one class" if found.images and not filled else "class folders"
    tables = [path for path in beside if path not in lists and (found.folders or path.parent != here)]
    lone = filled[0].name if len(filled) == 1 and not found.images else None
    notes += [*strays, *describe_tables(tables, lone)]
    return Layout(name, {"train": here}, lists=tuple(lists), beside=tuple(beside), notes=tuple(notes))


def _labelled_beside(
    root: Path, folders: Mapping[str, Path], name: str, several: bool, maybe: Sequence[Path] = ()
) -> Layout | None:
    """Images in folders without classes, where other files say their labels; ``maybe`` may be classes."""
    tables, notes = tables_beside(root, folders, several, maybe)
    if tables:
        words = " and ".join(table.name for table in tables.values())
        return Layout(f"{name}, labels in {words}", tables=tables, notes=tuple(notes))
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
    return Layout(f"{_maker(table)} {table.name}", tables={"": table})


def _maker(table: Path) -> str:
    return "Roboflow" if table.name.startswith("_") else "Hugging Face"


def _splits(root: Path, here: Path, found: Entries, class_name: str | None, several: bool) -> Layout | None:
    """Folders of splits, told from classes that are called train, val or test."""
    named = named_splits(found.folders)
    if not named or (len(found.folders) == 1 and _holds_splits(found.folders[0])):
        return None
    notes: list[str] = []
    inside = {folder: inside_of(folder, split) for folder, split in named.items()}
    shapes = {folder: shape(inside[folder]) for folder in named}
    strays = [
        folder for folder in found.folders
        if folder not in named and not is_unlabelled(folder.name) and not is_table_folder(folder.name)
        and not _are_masks_of_split(folder.name) and not is_masks(folder.name)
        and (has_images(folder) or not has_files(folder))  # annotations of COCO, labels of YOLO
    ]  # fmt: skip
    if not are_splits(named, shapes, strays, class_name):
        return None
    chosen = one_each(here, named, shapes, notes)
    _refuse_splits(here, found, named, strays, chosen)
    notes += [
        f"{folder.name} is not one of the splits: left out"
        for folder in found.folders
        if folder not in named and folder.name.casefold() != CONTRAST and has_images(folder)
    ]
    tables = {
        split: table
        for split, folder in chosen.items()
        if (table := table_in(entries(folder))) and labels_in(table, several)
    }
    notes += describe_packed(found.others, chosen)
    listed = {}
    if shapes[chosen["train"]] == "classes" or "train" in tables:
        flat = {split: folder for split, folder in chosen.items() if shapes[folder] != "table"}
        listed = unlabelled_splits(root, flat, inside, notes)
        chosen = {split: folder for split, folder in chosen.items() if split not in listed}
    labelled = {split: table for split, table in listed.items() if table}
    names = ", ".join(folder.name for folder in chosen.values())
    if tables:
        lacking = next((folder for split, folder in chosen.items() if split not in tables), None)
        if lacking is not None:
            raise VisionLoraError(
                f"{lacking} has no {next(iter(tables.values())).name} as the other splits have; add it"
            )
        return Layout(
            f"{_maker(tables['train'])} tables in {names}", tables={**tables, **labelled}, notes=tuple(notes)
        )
    for folder in chosen.values():
        others = [
            one for one in entries(inside[folder].parent).folders if one != inside[folder] and has_images(one)
        ]
        if inside[folder] != folder and others:
            notes.append(f"{folder.name}: {others[0].name} lies beside {inside[folder].name}: left out")
        elif inside[folder] != folder:
            notes.append(f"{inside[folder].name} is the only folder in {folder.name}: entered")
    what = "images of one class" if shapes[chosen["train"]] == "images" else "class folders"
    folders = {split: inside[folder] for split, folder in chosen.items()}
    if class_name is None and shapes[chosen["train"]] == "images":
        beside = _labelled_beside(root, folders, f"images in {names}", several)
        if beside is not None:
            return replace(beside, notes=(*notes, *beside.notes))
    name = " and ".join([f"{what} in {names}", *(f"images in {table.name}" for table in labelled.values())])
    return Layout(name, folders=folders, tables=labelled, notes=tuple(notes))


def _holds_splits(folder: Path) -> bool:
    """Whether a folder called train holds train and val, and nothing else."""
    inside = entries(folder)
    named = named_splits(inside.folders)
    return {"train"} < set(named.values()) and len(named) == len(inside.folders) and not inside.images


def _are_masks_of_split(name: str) -> bool:
    """Whether a folder is called like the masks of a split: ``train_masks``, ``trainannot``."""
    split, rest = split_and_rest(re.sub(r"^(train|val|test)(?=annot|mask|label)", r"\1 ", name))
    return split is not None and is_masks(" ".join(rest))


def _refuse_splits(
    here: Path, found: Entries, named: Mapping[Path, str], strays: Sequence[Path], chosen: Mapping[str, Path]
) -> None:
    """Refuse splits that have other images beside them, or none to train on."""
    others = (*filter(has_images, strays), *found.images)
    if others:
        lacks = "nothing is called train: rename it if it is that, or move it elsewhere"
        other = "move it into train, or elsewhere" if "train" in chosen else lacks
        advice = (*refuse_copies(found.folders), other)[0]
        raise VisionLoraError(
            f"{here} mixes layouts: {others[0].name} lies beside {next(iter(named)).name}; {advice}"
        )
    if "train" not in chosen:
        alone = f"add {here / 'train'}, or give what is there: data.root={next(iter(chosen.values()))}"
        what = next(iter(describe_packed(found.others, chosen)), alone)
        raise VisionLoraError(f"{here} has {' and '.join(chosen)} but no train; {what}")


def _splits_of_classes(found: Entries) -> Layout | None:
    """Class folders that each hold train and val, or are called ``train_cat`` and ``val_cat``."""
    inner, name = inner_splits(found), "class folders that hold"
    notes: tuple[str, ...] = ()
    if not inner and (inner := splits_in_names(found)):
        name = "folders of a split and a class in one,"
        one, splits = next(iter(inner.items()))
        said = " and ".join(f"{folder.name} is {split} of class {one}" for split, folder in splits.items())
        notes = (said,)
    if not inner:
        return None
    there = [split for split in SPLITS if any(split in one for one in inner.values())]
    return Layout(f"{name} {', '.join(there)}", inner=inner, notes=notes)
