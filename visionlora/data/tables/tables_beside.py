"""Tables of labels beside images that are not sorted into class folders."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from visionlora.data.files.walk import entries, has_images, walk
from visionlora.data.names.split_names import SPLITS, named_splits, split_and_rest, split_name
from visionlora.data.names.words_of_names import first_words
from visionlora.data.tables.column_names import LABELS_ANYWHERE
from visionlora.data.tables.label_files import MOST_MISSING, describe_left_out, tables_up_to
from visionlora.data.tables.several_labels import AUTO, SeveralLabels
from visionlora.data.tables.table import Table, read_table
from visionlora.errors import VisionLoraError
from visionlora.text import listed

_FEW = 10
_SHOWN = 3
_SAID = re.compile(r"prob|confidence|score|top[ _-]?\d|predict")
"""In the name of a column of a network's predictions."""
_KNOWN = {name.replace("_", "") for name in LABELS_ANYWHERE}
_NO_CLASS = re.compile(r"[0-9a-f]{32,}|[a-z]+://|image/|.*\.(jpe?g|png|webp|gif|tiff?)$", re.IGNORECASE)
"""Checksums, URLs, media types and names of files."""
_MOST_LABELS = 0.5
"""Labels per image, at most: captions and row numbers are as many as the images."""


def tables_beside(
    root: Path, folders: Mapping[str, Path], several: bool, maybe: Sequence[Path] = ()
) -> tuple[dict[str, Path], list[str]]:
    """(split -> the table of its images, notes), if the folders of a layout hold images and no class folders,
    and tables in ``root`` list their labels. The split "" stands for a table that has all splits. Empty if
    there is no such table, or if several may be meant.

    Args:
        root: what the user gave.
        folders: of the layout, split -> folder.
        several: images have any number of labels.
        maybe: folders in that of train which may be classes: then the table has several.

    Raises:
        SeveralLabels: the one table gives images several labels, and ``several`` is not set.
    """
    if len(maybe) > 1:
        files = {"train": walk(folders["train"])[0]}
    else:
        inside = {split: entries(folder) for split, folder in folders.items()}
        if not all(one.images and not any(map(has_images, one.folders)) for one in inside.values()):
            return {}, []
        files = {split: list(one.images) for split, one in inside.items()}
    paths = dict.fromkeys(path for folder in folders.values() for path in tables_up_to(folder, root))
    read = read_all(list(paths), several)
    if len(folders) == 1 and len(maybe) != 1 and (tables := _of_splits(read, files["train"])):
        said = " and ".join(path.relative_to(root).as_posix() for path in tables.values())
        return tables, [f"no class folders: the labels and splits are those of {said}"]
    fitting = {split: _fitting(read, images) for split, images in files.items()}
    if len(folders) == 1 and not fitting["train"]:
        # Nobody has labelled the others yet; or they are Kaggle's, whose test.csv has no labels.
        fitting["train"] = _of_some(read, files["train"])
    if len(fitting["train"]) != 1:
        return {}, []
    (table,) = fitting["train"]
    if _are_numbers(read[table]) and first_words(files["train"]):  # Oxford's pets: the names say more
        return {}, []
    chosen = {split: found[0] for split, found in fitting.items() if len(found) == 1}
    if len(set(chosen.values())) > 1:
        if not all(is_of(split, path.relative_to(root)) for split, path in chosen.items()):
            return {}, []
        tables = chosen
    else:
        tables = {"": table}
    if maybe and len(set(_labels_of(read[table]).values())) < 2:
        return {}, []
    names = " and ".join(path.relative_to(root).as_posix() for path in tables.values())
    called = listed([one.name for one in maybe], _SHOWN)
    taken = "are not taken for classes" if maybe[1:] else "is not taken for a class"
    what = f"{called} {taken}" if maybe else "no class folders"
    notes = [f"{what}: the labels are those of {names}"]
    notes += [
        f"{folder.relative_to(root).as_posix()} holds images without labels: left out"
        for split, folder in folders.items() if split not in chosen
    ]  # fmt: skip
    return tables, [*notes, *_left_out(read, tables, files, chosen)]


def read_all(paths: Sequence[Path], several: bool) -> dict[Path, Table]:
    """The tables among the files.

    Raises:
        SeveralLabels: there is one file; it gives images several labels, and ``several`` is not set.
    """
    read: dict[Path, Table] = {}
    for path in paths:
        try:
            read[path] = read_table(path, None, AUTO if several else None)
        except SeveralLabels:
            if len(paths) == 1:
                raise
        except VisionLoraError:  # it may be about other images
            continue
    return read


def _of_splits(read: Mapping[Path, Table], images: Sequence[Path]) -> dict[str, Path]:
    """split -> the table of its images, where tables called like splits (``train.csv``, ``val.csv``) list the
    images of one folder. Empty if they name an image twice, or leave out more than a tenth."""
    named = named_splits([path for path in read if set(read[path].images) == {"train"}])
    tables = {split: path for path, split in named.items()}
    left, listed = {os.path.normpath(path) for path in images}, 0
    for path in tables.values():
        its = read[path].images["train"]
        left.difference_update(os.path.normpath(image.path) for image in its)
        listed += len(its)
    folds = any(split_and_rest(path.stem)[0] for path in read if path not in named)  # train_fold2.csv
    several = len(tables) > 1 and len(tables) == len(named) and "train" in tables and not folds
    all_once = listed == len(images) - len(left) and len(left) <= MOST_MISSING * len(images)
    if not several or not all_once or not _lists(read[tables["train"]], []):
        return {}
    return {split: tables[split] for split in SPLITS if split in tables}


def _fitting(read: Mapping[Path, Table], images: Sequence[Path]) -> list[Path]:
    """The tables that list the labels of the images; of equal ones (the same as CSV and JSON) the first."""
    found = [path for path, table in read.items() if _lists(table, images)]
    while len(found) > 1 and _labels_of(read[found[-1]]) == _labels_of(read[found[0]]):
        found.pop()
    return found


def _of_some(read: Mapping[Path, Table], images: Sequence[Path]) -> list[Path]:
    """The table that lists the labels of some of the images and of almost no others, as no other one does."""
    there = {os.path.normpath(path) for path in images}
    shares = {}
    for path, table in read.items():
        its = {os.path.normpath(one) for one in _labels_of(table)}
        if its & there:
            shares[path] = len(its & there) / len(its)
    if len(shares) != 1:
        return []
    ((path, share),) = shares.items()
    named = split_and_rest(path.stem)[0] in (None, "train") and len(set(_labels_of(read[path]).values())) > 1
    about = share >= 1 - MOST_MISSING and _lists(read[path], images, some=True)
    return [path] if named and about else []


def _lists(table: Table, images: Sequence[Path], some: bool = False) -> bool:
    """Whether a table has labels for almost all images, or ``some``, and they are classes: not predictions,
    and not checksums, URLs or captions, of which each image has its own."""
    most = len(images) - 1 if some else MOST_MISSING * len(images)
    if len(table.left_out(images)) > most:
        return False
    if any(_SAID.search(name.casefold()) for name in table.columns):
        return False
    listed = [image for split in table.images.values() for image in split]
    labels = {image.label or "" for image in listed}
    if any(_NO_CLASS.match(label) for label in labels) or all(map(split_name, labels)):  # a list of splits
        return False
    repeated = len(labels) <= _MOST_LABELS * len(listed)
    if table.columns and (not table.label or _is_of_labels(table.label)):
        return repeated or len(labels) < _FEW
    return repeated and len(labels) > 1 and not any("not used" in note for note in table.notes)


def is_of(split: str, table: Path) -> bool:
    """Whether a table is called like a split, or lies in its folder."""
    folders = (split_and_rest(part)[0] for part in table.parts[:-1])
    return split_and_rest(table.stem)[0] == split or split in folders


def _is_of_labels(name: str) -> bool:
    """Whether a column is called like one of labels: ``Class Name``, ``annotations.label``."""
    parts = (re.sub(r"[\W_]+", "", part.casefold()) for part in (name, name.rpartition(".")[2]))
    return any(part in _KNOWN or part.endswith(("label", "labels", "class")) for part in parts)


def _labels_of(table: Table) -> dict[Path, str | None]:
    return {image.path: image.label for images in table.images.values() for image in images}


def _are_numbers(table: Table) -> bool:
    return all((image.label or "").isdecimal() for images in table.images.values() for image in images)


def _left_out(
    read: Mapping[Path, Table],
    tables: Mapping[str, Path],
    files: Mapping[str, Sequence[Path]],
    chosen: Mapping[str, Path],
) -> list[str]:
    """A note about images that the table does not name, if the table is in a folder without images."""
    notes = []
    for split, path in chosen.items():
        if path not in tables.values() or walk(path.parent)[0]:  # whoever reads it says so
            continue
        if others := read[path].left_out(files[split]):
            notes.append(describe_left_out(len(others), path.name))
    return notes
