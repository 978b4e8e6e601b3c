"""Files beside images that may list their labels, splits or boxes."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from visionlora.data.files.formats import TABLE_SUFFIXES
from visionlora.data.files.walk import entries
from visionlora.data.names.split_names import split_and_rest
from visionlora.data.tables.cells import is_pixel
from visionlora.data.tables.files_by_name import is_table_folder
from visionlora.data.tables.table import labels_in
from visionlora.errors import VisionLoraError
from visionlora.files import is_regular
from visionlora.text import counted

MOST_MISSING = 0.1
"""The share of a folder's images that a table of their labels may lack; one that lacks more is about other
images."""
TABLES = (".csv", ".tsv", ".jsonl", ".json")
LISTS_OF_LABELS = (*TABLE_SUFFIXES, ".xml")
_OF_NETWORKS = re.compile("submission|predict")
_MOST_BYTES = 2**24
"""Of a JSON file that is read for a hint: one of boxes has gigabytes."""
_LISTS = (".txt", ".csv", ".tsv", ".lst", ".json")
_OF_LISTS = {"list", "labels", "test", "val", "partition", "fold", "kfold"}
"""Beside the split in the name of a list: ``training_list``, ``train_test_split``."""
_OF_ALL = re.compile(r"(data(set)?[ _-]?)?splits?", re.IGNORECASE)
_BOXES = (".txt", ".xml", ".json")
_OF_BOXES = frozenset(
    (
        "label", "labels", "annotation", "annotations", "ann", "anno", "annos", "annot", "xml", "xmls",
        "json", "jsons", "txt", "txts", "box", "boxes", "bbox", "bboxes", "yolo", "voc",
        "labeltxt", "labelxml",
    )
)  # fmt: skip
"""Words in the name of a folder of files of boxes: ``labels_yolo``."""
_NAMES = re.compile(
    r"(class(es)?|labels?|categor(y|ies)|synsets?)([ _-]?(names?|map|list|index|words|mapping|encoder))?"
    r"|names|legend|meta(data)?",
    re.IGNORECASE,
)
_MOST_NAMES = 2**20
_FEW = 20


def may_name_classes(path: Path) -> bool:
    """Whether a file is called like one of the names of classes: ``classes.txt``, ``category_names.csv``."""
    return _NAMES.fullmatch(path.stem) is not None


def is_list(path: Path) -> bool:
    """Whether a file may list the images of a split, or of several: ``train.txt``, ``test_list.csv``,
    ``splits.json``."""
    split, rest = split_and_rest(path.stem)
    words = {word.rstrip("0123456789") for word in rest}
    of_all = _OF_ALL.fullmatch(path.stem) is not None
    return path.suffix.casefold() in _LISTS and (of_all or (split is not None and words <= _OF_LISTS))


def lists_in(folder: Path) -> list[Path]:
    """The lists of splits in a folder and its folders of tables: Food-101's ``meta``, DTD's ``labels``."""
    sets = [one / "Main" for one in entries(folder).folders if one.name.casefold() == "imagesets"]
    of_voc = [path for one in sets if one.is_dir() for path in entries(one).others]
    return [path for path in (*files_of(folder), *of_voc) if is_list(path)]


def describe_lists(lists: Sequence[Path], read: Collection[Path] = ()) -> list[str]:
    """A note about lists of splits that are not read.

    Args:
        lists: files.
        read: those that are read.
    """
    names = [path.name for path in lists if path not in read]
    if not names:
        return []
    which = f"{names[0]} is" if len(names) == 1 else f"{', '.join(names[:3])} are"
    return [f"{which} not read: a split is made of folders, or of a table with a column `split`"]


def describe_left_out(count: int, lists: str) -> str:
    """A note about images that are in none of the lists or tables that are read.

    Args:
        count: of these images.
        lists: the names of the files.
    """
    return f"{counted(count, 'image is', 'images are')} not in {lists}: left out"


def describe_beside(table: Path) -> list[str]:
    """Notes about lists of other splits beside a table, which are not read."""
    of, words = split_and_rest(table.stem)
    if of != "train":
        return []
    others = [path for path in entries(table.parent).others if path != table]
    splits = {path: split_and_rest(path.stem) for path in others}
    lists = [
        path
        for path, (split, rest) in splits.items()
        if split not in (None, "train")
        and (rest == words or (not words and is_list(path)))
        and path.suffix.casefold() in _LISTS
    ]  # images_variant_val.txt beside images_variant_train.txt
    labelled = [path for path in lists if path.suffix == table.suffix and has_labels(path)]
    names = " and ".join(path.name for path in labelled)
    advice = f"data.root={table.parent} reads all of them, if together they list the images there"
    return [
        *describe_lists(lists, labelled),
        *([f"only {table.name} is read, and not {names}: {advice}"] if labelled else []),
    ]


def up_to(folder: Path, root: Path) -> Iterator[Path]:
    """``folder`` and the folders above it up to ``root``, or to the one around it where ``root`` is called
    ``images`` or ``train``."""
    yield folder
    while folder != root and folder.is_relative_to(root):
        folder = folder.parent
        yield folder
    root = root.absolute()
    if not split_and_rest(root.name)[1] and os.access(root.parent, os.R_OK):
        yield root.parent


def table_near(folder: Path, root: Path) -> Path | None:
    """The table that most likely lists the labels, and not test images or an example of a submission."""

    def promise(path: Path) -> tuple[bool, bool]:
        return has_labels(path), split_and_rest(path.stem)[0] == "train"

    for here in up_to(folder, root):
        stems = {path.stem for path in entries(folder).images}
        tables = [
            path for path in files_of(here)
            if path.stem not in stems and "submission" not in path.stem.casefold() and may_be_table(path)
        ]  # fmt: skip
        if tables:
            return max(tables, key=promise)
    return None


def tables_up_to(folder: Path, root: Path) -> list[Path]:
    """The tables of labels in ``folder`` and the folders above it up to ``root``, without examples of
    submissions and without texts that belong to single images (captions, boxes)."""
    found = []
    while True:
        images = {path.stem for path in entries(folder).images}
        files = [path for path in files_of(folder) if path.stem not in images]
        found += [
            path for path in files
            if path.suffix.casefold() in LISTS_OF_LABELS and is_of_images(path) and has_labels(path)
        ]  # fmt: skip
        if folder == root or not folder.is_relative_to(root):
            return found
        folder = folder.parent


def labels_below(folder: Path) -> Path | None:
    """A table in a folder without images; they may be elsewhere."""
    return next((path for path in files_of(folder) if may_be_table(path) and has_labels(path)), None)


def files_of(folder: Path) -> list[Path]:
    """The files of a folder that are no images, and of its folders of tables: ``annotations``."""
    found = entries(folder)
    aside = [one for one in found.folders if is_table_folder(one.name)]
    files = [*found.others, *(path for one in aside for path in entries(one).others)]
    texts = [path for path in files if path.suffix.casefold() in (".txt", ".json")]
    if len(texts) > _FEW:  # captions or boxes, one a file
        files = [path for path in files if path not in texts or is_list(path)]
    return files


def may_be_table(path: Path) -> bool:
    """Whether a file may be a table, by its suffix; JSON and texts are looked into."""
    suffix = path.suffix.casefold()
    if suffix in (".json", ".txt") and not (is_list(path) and suffix == ".txt"):
        return is_regular(path, _MOST_BYTES) and has_labels(path)
    return suffix in TABLES or suffix == ".txt"


def pixels_in(files: Iterable[Path]) -> Path | None:
    """The table that holds the pixels of images: Kaggle's MNIST."""
    for path in files:
        if path.suffix.casefold() == ".csv" and is_regular(path):
            with path.open(encoding="utf-8", errors="replace") as file:
                if any(map(is_pixel, file.readline(_MOST_NAMES).split(","))):
                    return path
    return None


def is_of_images(path: Path) -> bool:
    """Whether a file may list images and their labels: not predictions, nor too large to look at."""
    return not _OF_NETWORKS.search(path.stem.casefold()) and is_regular(path, _MOST_BYTES)


def is_box_folder(name: str) -> bool:
    """Whether a folder is called like one of files of boxes: ``labels_yolo``, ``labelTxt-v1.0``."""
    return not _OF_BOXES.isdisjoint(re.split(r"[\W_]+", name.casefold()))


def boxes_near(folder: Path, root: Path) -> Path | None:
    """Where boxes or outlines are (COCO, YOLO, Pascal VOC, CVAT, labelme, Supervisely)."""
    for here in up_to(folder, root):
        found = entries(here)
        stems = {path.stem for path in found.images}
        for path in found.others:
            name = path.name.casefold()
            if name.endswith(".coco.json") or name.startswith(("instances_", "_annotations.txt")):
                return path
            if name == "annotations.xml":
                return path
            if path.suffix.casefold() == ".json" and path.stem in stems:
                return here
        if any(path.suffix.casefold() == ".xml" for path in found.others) and found.images:
            return here
        for inner in found.folders:
            if not is_box_folder(inner.name):
                continue
            below = entries(inner)
            files = [path for one in (below, *map(entries, below.folders)) for path in one.others]
            if files and all(path.suffix.casefold() in _BOXES for path in files):
                return inner
    return None


def has_labels(path: Path) -> bool:
    """Whether a file is a table with a column of labels."""
    try:
        return labels_in(path)
    except VisionLoraError:  # it may be no table at all
        return False
