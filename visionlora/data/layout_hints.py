"""What to say of a folder that holds something else than labelled images in a known layout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from visionlora.data.split_names import GENERIC, split_and_rest, split_name
from visionlora.data.walk import entries, kinds

LAYOUTS = "FOLDER/<class>/*, FOLDER/{train,val,test}/<class>/*, or FOLDER/* with data.class_name=NAME"

_TABLES = (".csv", ".tsv", ".jsonl")
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".rar", ".7z")
_LISTS = (".txt", ".csv", ".tsv", ".lst", ".json")
_BOXES = (".txt", ".xml", ".json")


def describe_empty(folder: Path, others: Sequence[Path]) -> str:
    """Why a folder has nothing to learn from."""
    suffixes = Counter(path.suffix.casefold() for path in others)
    archives = [path for path in others if path.suffix.casefold() in _ARCHIVES]
    if archives and len(archives) == sum(suffixes.values()):
        return f"{folder} holds no images{kinds(others)}; give the archive itself: data.root={archives[0]}"
    return f"{folder} holds no images{kinds(others)}; it should be {LAYOUTS}"


def describe_unlabelled(folder: Path, root: Path) -> str:
    """What to do with a folder of images that nobody has said the class of.

    Args:
        folder: holds the images.
        root: what the user gave; a table in it, or on the way, may list the labels.
    """
    name = folder.resolve().name
    generic = set(name.casefold().split()) <= GENERIC or split_name(name) is not None
    what = "data.class_name=NAME" if generic else f"for example data.class_name={name!r}"
    below = "class folders" if generic else "a folder of that name"
    hint = f"; or data.root={table}, if that lists their labels" if (table := _table(folder, root)) else ""
    boxes = _boxes(folder, root)
    if boxes is not None:
        hint += f"; {boxes} looks like boxes for object detection, which are not read: cut the objects out"
    return (
        f"{folder} holds images but no class folders; say what they show, {what}, or move them into "
        f"{below}{hint}"
    )


def describe_alike(folders: Sequence[Path]) -> list[str]:
    """A note where class folders hold the same folders, which then may be the classes."""
    inside = []
    for folder in folders:
        inside.append(entries(folder))
        if inside[-1].images:
            return []
    if len(inside) < 2:
        return []
    same = sorted(set.intersection(*({folder.name for folder in one.folders} for one in inside)))
    if len(same) < 2:
        return []
    return [
        f"{folders[0].name} and {folders[1].name} are taken for classes, but hold the same folders "
        f"({', '.join(same[:3])}{', ...' if len(same) > 3 else ''}); if those are the classes, call the "
        "folders train and val, or give one of them as data.root"
    ]


def is_list(path: Path) -> bool:
    """Whether a file may list the images of a split: ``train.txt``, ``test_list.csv``."""
    split, rest = split_and_rest(path.stem)
    return path.suffix.casefold() in _LISTS and split is not None and set(rest) <= {"list", "labels"}


def describe_lists(lists: Sequence[Path], read: Collection[Path] = ()) -> list[str]:
    """A note about lists of splits that nobody reads.

    Args:
        lists: files.
        read: those that are read.
    """
    names = [path.name for path in lists if path not in read]
    if not names:
        return []
    which = f"{names[0]} is" if len(names) == 1 else f"{', '.join(names[:3])} are"
    return [f"{which} not read: a split is made of folders, or of a table with a column `split`"]


def _up_to(folder: Path, root: Path) -> Iterator[Path]:
    """``folder`` and the folders above it, ``root`` the last one."""
    yield folder
    while folder != root and folder.is_relative_to(root):
        folder = folder.parent
        yield folder


def _table(folder: Path, root: Path) -> Path | None:
    """A table that may list the labels."""
    for here in _up_to(folder, root):
        for path in entries(here).others:
            if path.suffix.casefold() in _TABLES:
                return path
    return None


def _boxes(folder: Path, root: Path) -> Path | None:
    """Where boxes for object detection are (COCO, YOLO, Pascal VOC)."""
    for here in _up_to(folder, root):
        found = entries(here)
        for path in found.others:
            if path.name.casefold().endswith(".coco.json") or path.name.startswith("instances_"):
                return path
        for inner in found.folders:
            files = entries(inner).others if inner.name.casefold() in ("labels", "annotations") else ()
            if files and all(path.suffix.casefold() in _BOXES for path in files):
                return inner
    return None
