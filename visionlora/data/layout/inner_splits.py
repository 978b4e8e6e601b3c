"""Class folders that hold the splits of their class, or are called ``train_cat`` and ``val_cat``."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from visionlora.data.files.walk import Entries, entries, has_images
from visionlora.data.layout.masks import are_masks_beside, is_masks
from visionlora.data.layout.wrappers import is_wrapper
from visionlora.data.names.split_names import SPLITS, named_splits, split_name
from visionlora.errors import VisionLoraError

Inner = dict[str, Mapping[str, Path]]
"""Class -> split -> folder of its images."""


def inner_splits(found: Entries) -> Inner:
    """Class folders that each hold train and val folders of images; empty if there are none.

    Raises:
        VisionLoraError: they hold splits of class folders.
    """
    folders = [folder for folder in found.folders if has_images(folder)]
    if not folders or found.images:
        return {}
    inner: Inner = {}
    for folder in folders:
        inside = entries(folder)
        named = named_splits(inside.folders)
        if inside.images or set(named) != set(inside.folders) or "train" not in named.values():
            return {}
        if len(set(named.values())) < len(named):
            return {}
        inner[folder.name] = _in_order({split: one for one, split in named.items()})
    if (len(inner) == 1 and is_wrapper(folders[0])) or are_masks_beside(list(inner)):
        return {}
    splits_of = [one for named in inner.values() for one in named.values()]
    if any(not is_masks(below.name) for one in splits_of for below in entries(one).folders):
        if len(inner) > 1 and all(len(named) > 1 for named in inner.values()):
            raise VisionLoraError(
                f"{folders[0]} and {folders[1].name} each hold {' and '.join(inner[folders[0].name])} "
                f"with folders in them; give one of them, data.root={folders[0]}, or if they are classes, "
                "move the images up"
            )
        return {}
    return inner


def splits_in_names(found: Entries) -> Inner:
    """Folders of images whose names are a split and a class (``train_cat``, ``trainA``), if each class has
    the same splits, train and another one among them; empty if they do not, or there is one class."""
    named = {folder: split_and_class(folder.name) for folder in found.folders}
    if not {"train"} < {split for split, _ in named.values()}:
        return {}
    folders = [folder for folder in found.folders if has_images(folder)]
    inner: dict[str, dict[str, Path]] = defaultdict(dict)
    for folder in folders:
        split, name = named[folder]
        if split is None or not entries(folder).images:
            return {}
        inner[name][split] = folder
    splits = {frozenset(one) for one in inner.values()}
    if found.images or len(inner) < 2 or len(splits) != 1 or not {"train"} < next(iter(splits)):
        return {}
    if sum(map(len, inner.values())) < len(folders):
        return {}
    return {name: _in_order(one) for name, one in sorted(inner.items())}


def split_and_class(name: str) -> tuple[str | None, str]:
    """The split that the first or the last word of a name says, and the rest of the name."""
    first = re.match(r"([^\W\d_]+?)(?:[\W_]+|(?<=[a-z])(?=[A-Z]))(.+)", name)
    last = re.match(r"(.+?)(?:[\W_]+|(?<=[a-z])(?=[A-Z]))([^\W\d_]+)$", name)
    for match, split, rest in ((first, 1, 2), (last, 2, 1)):
        if match and (found := split_name(match[split])) and not split_name(match[rest]):
            return found, match[rest]
    return None, name


def _in_order(splits: Mapping[str, Path]) -> dict[str, Path]:
    return {split: splits[split] for split in SPLITS if split in splits}
