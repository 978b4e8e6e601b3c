"""Folders around the images, and within the folder of a split, that say nothing of what is in them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path

from visionlora.data.files.walk import Entries, entries, has_images, walk
from visionlora.data.names.split_names import named_splits, split_and_rest, split_name
from visionlora.text import listed

TABLES = (
    "metadata.csv", "metadata.jsonl", "_classes.csv", "_annotations.csv", "_annotations.coco.json",
    "_annotations.createml.json",
)  # fmt: skip
"""Tables of labels that lie among the images: Hugging Face's (imagefolder), Roboflow's."""

_STRAYS = 0.2
"""So many images, of those in folders, may lie beside these."""
_UN = re.compile(
    r"(?<![^\W_])(un|no|non|not|sin|sem|sans|senza)[ _-]?"
    r"(?=label|annot|sup|etiq|étiq|etich|rotul|gelabel|beschrift)"
)
_SHARE = re.compile(r"[\W_]*\d+([\W_]*(%|percent|pct|p|k))?$")
"""Behind the names of folders that are shares: ``labeled_10`` and ``unlabeled_90``."""
_REGULARIZATION = re.compile(r"reg(ulari[sz]ation)?([ _-]?ima?ge?s?)?", re.IGNORECASE)
_REPEATS = re.compile(r"\d+_.*")
_SHOWN = 3
WRAPPERS = 32
"""So many folders, one in the other, are entered at most."""


def without_strays(folder: Path, found: Entries) -> tuple[Entries, list[str]]:
    """What lies in a folder without the few images beside folders of many (a preview, a plot), and a note.
    All of it where they are more, or where one folder of images is a class or a part of it."""
    filled = [one for one in found.folders if has_images(one)] if found.images else []
    if not filled or (len(filled) == 1 and entries(filled[0]).images and not is_wrapper(filled[0])):
        return found, []
    if len(found.images) > _STRAYS * sum(len(walk(one)[0]) for one in filled):
        return found, []
    names = listed([path.name for path in found.images], _SHOWN)
    lie = "lies" if len(found.images) == 1 else "lie"
    where = f"the folders in {folder.name}" if folder.name else "the folders"
    return replace(found, images=()), [f"{names} {lie} beside {where}: left out"]


def table_in(found: Entries) -> Path | None:
    """A table of labels that lies among the images."""
    by_name = {path.name.casefold(): path for path in found.others}
    return next((by_name[name] for name in TABLES if name in by_name), None)


def inside_of(folder: Path, split: str) -> Path:
    """The folder within a split's folder that holds what counts: ``train/train``, ``train/images``."""
    top = folder.name
    for _ in range(WRAPPERS):
        found = entries(folder)
        inner = [one for one in found.folders if has_images(one)]
        if labelled := labelled_of(inner):
            inner = [labelled]
        if found.images or len(inner) != 1 or table_in(found) is not None:
            break
        named = inner[0].name == top or split_name(inner[0].name) == split
        if not (named or labelled or is_wrapper(inner[0])):
            break
        folder = inner[0]
    return folder


def down_to_several(folder: Path) -> Path:
    """The first folder, from this one downwards, that holds images, or several folders: ``DE/Berlin``."""
    folder = inside_of(folder, "")
    while not (found := entries(folder)).images:
        filled = [one for one in found.folders if has_images(one)]
        if len(filled) != 1 or split_name(filled[0].name):
            break
        folder = filled[0]
    return folder


def is_wrapper(folder: Path) -> bool:
    """Whether the name of a folder says nothing."""
    named, rest = split_and_rest(folder.name)
    return not rest and named is None


def wrapped(found: Entries) -> tuple[Path | None, list[str]]:
    """The one folder that everything is in, where it is not a class, or almost everything: ``data`` beside
    ``docs`` and ``figures``. What is left out is said."""
    folders = [] if found.images else [folder for folder in found.folders if has_images(folder)]
    if len(folders) == 1:
        # Images directly in it: it is a class, unless its name says nothing.
        inside, _ = without_strays(folders[0], entries(folders[0]))
        alone = not inside.images or is_wrapper(folders[0])
        return (folders[0], []) if alone else (None, [])
    if labelled := labelled_of(folders):
        (other,) = (one for one in folders if one != labelled)
        return labelled, [f"{other.name} lies beside {labelled.name} and holds no class folders: left out"]
    if kohya := _with_repeats(folders):
        (other,) = (one for one in folders if one != kohya)
        return kohya, [f"{other.name} holds images of Kohya's regularization: left out"]
    main = [one for one in folders if is_wrapper(one) and _holds_folders(one)]
    others = [one for one in folders if one not in main]
    if len(main) != 1 or named_splits(found.folders):
        return None, []
    if sum(len(walk(one)[0]) for one in others) > _STRAYS * len(walk(main[0])[0]):
        return None, []
    names = listed([one.name for one in others], _SHOWN)
    lie = "lies" if len(others) == 1 else "lie"
    return main[0], [f"{names} {lie} beside {main[0].name}, which has the folders of images: left out"]


def _with_repeats(folders: Sequence[Path]) -> Path | None:
    """The folder ``img`` of Kohya's, beside ``reg``, where both hold folders called like ``10_cat`` alone."""
    main = [one for one in folders if is_wrapper(one)]
    if len(folders) != 2 or len(main) != 1 or not any(_REGULARIZATION.fullmatch(one.name) for one in folders):
        return None
    inside = [one.name for folder in folders for one in entries(folder).folders if has_images(one)]
    return main[0] if inside and all(map(_REPEATS.fullmatch, inside)) else None


def _holds_folders(folder: Path) -> bool:
    """Whether several folders of images are in a folder, or in the one wrapper in it, and no image."""
    inside = entries(folder)
    filled = [one for one in inside.folders if has_images(one)]
    if inside.images or len(filled) != 1:
        return not inside.images and len(filled) > 1
    return is_wrapper(filled[0]) and _holds_folders(filled[0])


def labelled_of(folders: Sequence[Path]) -> Path | None:
    """The one of two folders that is called as the other, where that holds images which nobody has labelled:
    ``labelled`` of ``labelled`` and ``unlabelled``, if it holds class folders."""
    for one, other in permutations(folders) if len(folders) == 2 else ():
        name, of_other = (_SHARE.sub("", folder.name.casefold()) for folder in (one, other))
        named = of_other != name and _UN.sub("", of_other) == name
        if named and entries(other).images and _holds_folders(one):
            return one
    return None
