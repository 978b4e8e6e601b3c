"""The splits of a table without a column of them, whose images lie in the folders of splits."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from visionlora.data.images.decode import ImageFile
from visionlora.data.names.split_names import SPLITS, split_name


def split_by_folders(
    table: Path, found: Mapping[str, Sequence[ImageFile]], given: bool
) -> tuple[Mapping[str, Sequence[ImageFile]], list[str]]:
    """The images of a table by the splits that their folders are called like, and a note; as they are where
    one lies in no such folder, or all in those of one split.

    Args:
        table: paths count from its folder on.
        found: split -> images.
        given: whether its columns say the splits.
    """
    if given:
        return found, []
    folders: dict[str, str] = {}
    split: dict[str, list[ImageFile]] = defaultdict(list)
    for image in found.get("train", ()):
        parts = Path(os.path.relpath(image.path, table.parent)).parts[:-1]
        name = next((part for part in parts if split_name(part)), None)
        if name is None or name in image.names:  # a class may be called train
            return found, []
        where = split_name(name) or ""
        folders.setdefault(where, name)
        split[where].append(image)
    if not {"train"} < set(split):
        return found, []
    names = " and ".join(folders[one] for one in SPLITS if one in folders)
    return split, [f"no column of splits: those of the folders {names} are taken"]
