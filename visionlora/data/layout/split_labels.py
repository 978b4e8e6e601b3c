"""Folders of val and test without class folders, beside a train that has some."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from visionlora.data.files.walk import entries, has_images, names_in
from visionlora.data.layout.split_folders import left_out
from visionlora.data.names.split_names import is_unlabelled
from visionlora.data.tables.label_files import MOST_MISSING, tables_up_to
from visionlora.data.tables.tables_beside import is_of, read_all


def unlabelled_splits(
    root: Path, folders: Mapping[str, Path], inside: Mapping[Path, Path], notes: list[str]
) -> dict[str, Path | None]:
    """Those of val and test that hold images and no class folders -> the table that lists their labels
    (GTSRB's ``Test.csv``), None where they have none and are left out (Kaggle's test).

    Args:
        root: what the user gave.
        folders: of the splits.
        inside: folder of a split -> the one in it that counts.
        notes: what was decided is added.
    """
    found: dict[str, Path | None] = {}
    for split, folder in folders.items():
        inner = inside[folder]
        there = entries(inner)
        alone = len(there.folders) == 1 and is_unlabelled(there.folders[0].name)
        flat = there.images and not any(map(has_images, there.folders))
        if split == "train" or not (flat or (alone and entries(there.folders[0]).images)):
            continue
        classes = names_in(inside[folders["train"]]) if "train" in folders else set()
        table = found[split] = _table(root, split, inner if flat else there.folders[0], classes)
        if table is None:
            notes.append(left_out(folder, "images without labels", split))
        else:
            notes.append(f"{folder.name} has no class folders: its labels are those of {table.name}")
    return found


def _table(root: Path, split: str, folder: Path, classes: set[str]) -> Path | None:
    """The table that is called like the split and gives almost all images in ``folder`` a class."""
    images = list(entries(folder).images)
    paths = [path for path in tables_up_to(folder, root) if is_of(split, path.relative_to(root))]
    for path, table in read_all(paths, False).items():
        labels = {image.label for some in table.images.values() for image in some}
        if labels <= classes and len(table.left_out(images)) <= MOST_MISSING * len(images):
            return path
    return None
