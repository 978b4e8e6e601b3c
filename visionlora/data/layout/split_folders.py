"""Folders that are called like splits: whether they are some, and which is which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from visionlora.data.files.walk import entries, has_images, walk
from visionlora.data.layout.layout_hints import describe_empty
from visionlora.data.layout.wrappers import table_in
from visionlora.data.names.split_names import SPLITS, is_evaluation
from visionlora.errors import VisionLoraError


def shape(folder: Path) -> str:
    """``classes``, ``images``, ``table`` or ``empty``: what is in a folder that may be a split."""
    found = entries(folder)
    if table_in(found) is not None and (found.images or any(map(has_images, found.folders))):
        return "table"
    if any(map(has_images, found.folders)):
        return "classes"
    return "images" if found.images else "empty"


def are_splits(
    named: Mapping[Path, str], shapes: Mapping[Path, str], strays: Sequence[Path], class_name: str | None
) -> bool:
    """Whether folders called train, val or test are splits, and not classes of that name."""
    if not strays:
        return True
    filled = [folder for folder in named if shapes[folder] != "empty"]
    if all(shapes[folder] == "images" for folder in filled):
        return class_name is not None and not any(map(has_images, strays))
    paired = len({named[folder] for folder in filled}) > 1
    return paired or not all(shape(stray) == "classes" for stray in strays)


def one_each(
    here: Path, named: Mapping[Path, str], shapes: Mapping[Path, str], notes: list[str]
) -> dict[str, Path]:
    """The folder of each split, in the order of the splits; empty ones are left out and said."""
    chosen: dict[str, Path] = {}
    filled = [split for folder, split in named.items() if shapes[folder] != "empty"]
    for folder, split in named.items():
        if (
            split == "val"
            and is_evaluation(folder.name)
            and filled.count("val") == 2
            and "test" not in filled
        ):
            split = "test"
        if shapes[folder] == "empty" and split != "train":
            notes.append(left_out(folder, "no images", split))
        elif split in chosen:
            raise VisionLoraError(f"{chosen[split]} and {folder} are both {split}; merge them, or keep one")
        else:
            chosen[split] = folder
    if all(one == "empty" for one in shapes.values()):
        raise VisionLoraError(describe_empty(here, walk(here)[1]))
    return {split: chosen[split] for split in SPLITS if split in chosen}


def left_out(folder: Path, holds: str, split: str) -> str:
    """A note about the folder of a split that is not used."""
    what = "; validation images are taken from train" if split == "val" else ""
    return f"{folder.name} holds {holds}: left out{what}"
