"""Recognise folders that are called like splits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from visionlora.data.files.walk import Entries, entries, has_files, has_images
from visionlora.data.layout.inner_splits import inner_splits, splits_in_names
from visionlora.data.layout.labelled_beside import labelled_beside
from visionlora.data.layout.layout import Layout
from visionlora.data.layout.layout_hints import describe_packed, refuse_copies
from visionlora.data.layout.masks import is_masks
from visionlora.data.layout.split_folders import are_splits, one_each, shape
from visionlora.data.layout.split_labels import unlabelled_splits
from visionlora.data.layout.wrappers import inside_of, labelled_of, table_in
from visionlora.data.names.split_names import (
    SPLITS,
    is_unlabelled,
    named_splits,
    split_and_rest,
)
from visionlora.data.tables.files_by_name import is_table_folder
from visionlora.data.tables.table import labels_in
from visionlora.errors import VisionLoraError

_CONTRAST = "contrast"
"""Images of other things that come with the labelled ones; nobody labels them."""


def maker(table: Path) -> str:
    return "Roboflow" if table.name.startswith("_") else "Hugging Face"


def split_folders(
    root: Path, here: Path, found: Entries, class_name: str | None, several: bool
) -> Layout | None:
    """Folders of splits, told from classes that are called train, val or test."""
    named = named_splits(found.folders)
    notes = _with_labelled(found, named)
    if not named or (len(found.folders) == 1 and _holds_splits(found.folders[0])):
        return None
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
        if folder not in named and folder.name.casefold() != _CONTRAST and has_images(folder)
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
            f"{maker(tables['train'])} tables in {names}", tables={**tables, **labelled}, notes=tuple(notes)
        )
    notes += [_entered(folder, inside[folder]) for folder in chosen.values() if inside[folder] != folder]
    what = "images of one class" if shapes[chosen["train"]] == "images" else "class folders"
    folders = {split: inside[folder] for split, folder in chosen.items()}
    if class_name is None and shapes[chosen["train"]] == "images":
        beside = labelled_beside(root, folders, f"images in {names}", several)
        if beside is not None:
            return replace(beside, notes=(*notes, *beside.notes))
    name = " and ".join([f"{what} in {names}", *(f"images in {table.name}" for table in labelled.values())])
    return Layout(name, folders=folders, tables=labelled, notes=tuple(notes))


def _with_labelled(found: Entries, named: dict[Path, str]) -> list[str]:
    """Take ``labelled`` for train where ``unlabelled`` and other splits lie beside it; a note about it."""
    if not named or "train" in named.values():
        return []
    others = [one for one in found.folders if one not in named and has_images(one)]
    train = labelled_of(others)
    if train is None:
        return []
    named[train] = "train"
    return [f"{train.name} is taken for train: it holds class folders"]


def _entered(folder: Path, inner: Path) -> str:
    """What is said where a folder inside of a split has its images."""
    beside = [one for one in entries(inner.parent).folders if one != inner and has_images(one)]
    if beside:
        return f"{folder.name}: {beside[0].name} lies beside {inner.name}: left out"
    return f"{inner.name} is the only folder in {folder.name}: entered"


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


def splits_of_classes(found: Entries) -> Layout | None:
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
