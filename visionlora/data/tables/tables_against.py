"""Tables beside class folders that give their images other classes."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from visionlora.data.files.formats import TABLE_SUFFIXES
from visionlora.data.images.decode import ImageFile
from visionlora.data.tables.label_files import is_of_images
from visionlora.data.tables.table import read_table
from visionlora.errors import VisionLoraError
from visionlora.text import Doubt, listed

_ABOUT = 0.5
"""The share of the images of a table that must be in the folders."""
_SHOWN = 3


def tables_against(found: Mapping[str, Sequence[ImageFile]], files: Iterable[Path]) -> list[str]:
    """A note about a table that gives the images of one folder several classes: the folders may be none.

    Args:
        found: split -> the images of class folders.
        files: what lies beside them.
    """
    folders: dict[str, str] = {}
    for path in files:
        if path.suffix.casefold() not in TABLE_SUFFIXES or not is_of_images(path):
            continue
        try:
            table = read_table(path)
        except VisionLoraError:  # it lists something else
            continue
        folders = folders or {
            os.path.normpath(image.path): image.label or "" for some in found.values() for image in some
        }
        listed_in = [image for some in table.images.values() for image in some]
        named: dict[str, set[str]] = defaultdict(set)
        both = [image for image in listed_in if os.path.normpath(image.path) in folders]
        for image in both:
            named[folders[os.path.normpath(image.path)]].add(image.label or "")
        several = [name for name, labels in sorted(named.items()) if len(labels) > 1]
        classes = {image.label for image in listed_in}
        if several and len(both) >= _ABOUT * len(listed_in) and 2 * len(classes) <= len(listed_in):
            some = listed(sorted(named[several[0]]), _SHOWN)
            said = f"{path.name} gives images of {several[0]} several classes ({some}), and is not read"
            return [Doubt(f"{said}; if the folders are no classes, data.root={path} reads the table")]
    return []
