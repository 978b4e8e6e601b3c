"""Names of classes that are codes, from a file beside their folders."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from visionlora.data.files.formats import is_image_name
from visionlora.data.files.texts import decoded
from visionlora.data.images.decode import ImageFile, labelled
from visionlora.data.tables.column_names import LABELS_ANYWHERE, key_of
from visionlora.data.tables.label_files import is_list
from visionlora.files import is_regular
from visionlora.text import Doubt, listed

FILES = (".txt", ".csv", ".tsv", ".lst", ".json", ".yaml", ".yml", ".names", ".pbtxt")
"""Of files that are read for names of classes."""
MOST_BYTES = 2**20
_CODE = re.compile(r"(?!n\d{8}$)[a-z]{1,4}[_-]?\d{1,9}", re.IGNORECASE)
"""``n0``, ``C-12``; not WordNet's ids, which the networks have."""
_OPEN_IMAGES = re.compile(r"/[mgt]/\w+")
_HAS_DIGIT = re.compile(r"\d")
_LABELS = frozenset(map(key_of, LABELS_ANYWHERE))
_SHOWN = 3


def with_names_of_codes(
    images: dict[str, list[ImageFile]], classes: Sequence[str], files: Iterable[Path]
) -> tuple[dict[str, list[ImageFile]], list[str]]:
    """The images with the names of Open Images' codes (``/m/01yrx``), which mean nothing else; a note where
    classes are called like other codes (``n0``, ``n1``), and a file has each of them and more in a line."""
    of_open_images = bool(classes) and all(map(_OPEN_IMAGES.fullmatch, classes))
    if not of_open_images and not all(map(_CODE.fullmatch, classes)):
        return images, []
    for path in files:
        if path.suffix.casefold() not in FILES or is_list(path) or not is_regular(path, MOST_BYTES):
            continue
        lines = [re.split(r"\s*[,;:=|\t]\s*", line.strip()) for line in _text_of(path).splitlines()]
        place = _names_in([row for row in lines if row[0].strip("'\"") in classes], lines[:1])
        named = {row[0].strip("'\""): row[place] for row in lines if len(row) > place and row[place]}
        if set(classes) <= named.keys() and not any(is_image_name(name) for name in named):
            if of_open_images:
                some = listed([f"{name} is {named[name]}" for name in classes], _SHOWN)
                return renamed(images, named), [f"class names are those of {path.name}: {some}"]
            one, two = classes[0], named[classes[0]]
            if len({named[name] for name in classes}) < len(classes) - 1:
                said = (
                    f"{path.name} has a line for each folder ({one}: {two}), and the same for several of them"
                )
                return images, [
                    Doubt(f"{said}: patients or things? Move the images into folders of what to learn")
                ]
            return images, [
                f"{path.name} may say what the classes are ({one}: {two}): it is not "
                "read; rename the folders, or the labels, to learn them by their names"
            ]
    return images, []


def _text_of(path: Path) -> str:
    try:
        return decoded(path.read_bytes()).text
    except OSError:
        return ""


def renamed(images: Mapping[str, list[ImageFile]], called: Mapping[str, str]) -> dict[str, list[ImageFile]]:
    """The images with the names that their classes are called by."""

    def of(image: ImageFile) -> ImageFile:
        if image.labels is not None:
            return labelled(image.path, (called[name] for name in image.labels))
        return replace(image, label=None if image.label is None else called[image.label])

    return {split: [of(image) for image in some] for split, some in images.items()}


def _names_in(rows: Sequence[Sequence[str]], head: Sequence[Sequence[str]]) -> int:
    """Which column has the names: one of words that are all different, or that is called like a label, or
    else the second."""
    columns = list(zip(*rows, strict=False))
    for place, cells in enumerate(columns[1:], 1):
        if len({*cells}) == len(cells) and not any(map(_HAS_DIGIT.search, cells)):
            return place
    names = [key_of(name) for row in head for name in row]
    return next((place for place, name in enumerate(names) if place and name in _LABELS), 1)
