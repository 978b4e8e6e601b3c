"""Read the images of a layout, with what is left out and what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from visionlora.data.files.walk import entries, has_images, walk
from visionlora.data.images.decode import ImageFile
from visionlora.data.layout.class_hints import (
    describe_alike,
    describe_classes,
    describe_hidden,
    like_splits,
    refuse_folds,
    refuse_half_splits,
)
from visionlora.data.layout.layout import Layout
from visionlora.data.layout.layout_hints import (
    describe_empty,
    describe_empty_class,
    describe_packed_classes,
    describe_unlabelled,
    refuse_copies,
)
from visionlora.data.layout.masks import refuse_masks, without_masks
from visionlora.data.layout.not_classes import describe_parts, refuse_parts
from visionlora.data.layout.pairs import below_letters, describe_same_names, refuse_pairs
from visionlora.data.layout.wrappers import without_strays
from visionlora.data.names.spellings import folded, in_one_form
from visionlora.data.tables.label_files import describe_left_out
from visionlora.data.tables.table import Table, read_table
from visionlora.errors import VisionLoraError


def read_layout(
    root: Path, layout: Layout, class_name: str | None, notes: list[str], separator: str | None = None
) -> tuple[dict[str, list[ImageFile]], list[Path], list[str]]:
    """(split -> images, files that are not images, problems) of a recognised layout."""
    found: dict[str, list[ImageFile]] = {}
    skipped: list[Path] = []
    problems: list[str] = []
    tables = {path: read_table(path, class_name, separator) for path in layout.tables.values()}
    for split, path in layout.tables.items():
        notes += [note for note in tables[path].notes if note not in notes]
        for where, images in tables[path].images.items():
            found.setdefault(split or where, []).extend(images)
    notes += _left_out(tables, layout.folders.values())
    for split, folder in layout.folders.items():
        found[split] = _labelled(root, folder, class_name, split, skipped, problems, notes)
    for split, images in layout.images.items():
        found[split] = list(images)
    inner: dict[Path, Sequence[Path]] = {}
    for label, folders in layout.inner.items():
        for split, folder in folders.items():
            paths, others = walk(folder)
            kept, masks = without_masks({folder: paths})
            found.setdefault(split, []).extend(ImageFile(path, label) for path in kept[folder])
            if split == "train":
                inner[Path(label)] = kept[folder]
            notes += [note for note in masks if note not in notes]
            skipped += others
    problems += refuse_pairs(root, inner)
    notes += describe_same_names(inner)
    found, forms = in_one_form(found)
    notes += forms
    return found, skipped, problems


def _left_out(tables: Mapping[Path, Table], folders: Iterable[Path]) -> list[str]:
    """Notes about the images beside tables that no table names and that are not in the folders of others."""
    others = {image for folder in folders for image in walk(folder)[0]} if tables else set()
    notes = []
    for folder in dict.fromkeys(path.parent for path in tables):
        images = [image for image in walk(folder)[0] if image not in others]
        for table in tables.values():
            images = table.left_out(images)
        if images:
            names = " and ".join(path.name for path in tables if path.parent == folder)
            notes.append(describe_left_out(len(images), names))
    return notes


def _labelled(
    root: Path,
    folder: Path,
    class_name: str | None,
    split: str,
    skipped: list[Path],
    problems: list[str],
    notes: list[str],
) -> list[ImageFile]:
    """The images of a folder of class folders, or of a folder of images of one class."""
    found = entries(folder)
    skipped += found.others
    if class_name is None:
        found, strays = without_strays(folder, found)
        notes += strays
    if found.images and (filled := next(filter(has_images, found.folders), None)):
        raise VisionLoraError(
            f"{folder} mixes layouts: {found.images[0].name} lies beside the folder {filled.name}; "
            f"move the images into class folders, or elsewhere"
        )
    if found.images:
        if class_name is None:
            raise VisionLoraError(describe_unlabelled(folder, root))
        return [ImageFile(path, class_name) for path in found.images]
    if not found.folders:
        raise VisionLoraError(describe_empty(folder, found.others))
    if class_name is not None and {folded(one.name) for one in found.folders} != {folded(class_name)}:
        raise VisionLoraError(
            f"{folder} has class folders ({found.folders[0].name}, ...), so data.class_name={class_name} "
            f"does not apply; leave it out, or give one of these folders"
        )
    classes: dict[Path, Sequence[Path]] = {}
    empty: list[tuple[Path, Sequence[Path]]] = []
    folders, said = below_letters(found.folders)
    notes += [note for note in said if note not in notes]
    for class_folder in folders:
        paths, others = walk(class_folder)
        classes[class_folder] = paths
        if not paths and split == "train":
            empty.append((class_folder, others))
        skipped += others
    problems += [describe_empty_class(one, others, classes) for one, others in empty]
    classes, masks = without_masks(classes)
    images = [ImageFile(path, one.name) for one, paths in classes.items() for path in paths]
    if not images and split == "train":
        raise VisionLoraError(describe_empty(folder, skipped))
    notes += [note for note in masks if note not in notes]
    if split == "train":
        wrong, doubts = _not_classes(folder, folders, classes)
        problems += wrong
        notes += [*doubts, *describe_hidden(folder), *describe_packed_classes(found.others)]
    return images


def _not_classes(
    folder: Path, folders: Sequence[Path], classes: Mapping[Path, Sequence[Path]]
) -> tuple[list[str], list[str]]:
    """(problems, notes) about folders that may be no classes.

    Args:
        folder: that they are in.
        folders: all of them.
        classes: the folder of each class -> its images, at any depth.
    """
    pairs = refuse_masks(classes) or refuse_pairs(folder, classes)
    if parts := refuse_parts(classes):
        return [*pairs, *parts], []
    alike, doubts = describe_alike(classes)
    problems = [*pairs, *(refuse_copies(folders) or refuse_folds(folders) or alike)]
    called, more = like_splits([one.name for one in folders])
    problems += [] if alike else [*refuse_half_splits(folders), *called]
    notes = [*doubts, *more] or describe_parts(classes)
    return problems, [*notes, *describe_classes(classes)]
