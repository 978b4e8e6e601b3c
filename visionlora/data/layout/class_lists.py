"""One list of images for each class: ``cat.txt`` and ``dog.txt``, or VOC's ``cat_train.txt``."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path

from visionlora.data.files.walk import entries
from visionlora.data.images.decode import ImageFile, labelled
from visionlora.data.layout.inner_splits import split_and_class
from visionlora.data.layout.split_lists import ByName
from visionlora.data.names.split_names import split_and_rest
from visionlora.data.tables.label_files import MOST_MISSING, describe_left_out, may_name_classes
from visionlora.data.tables.several_labels import SeveralLabels
from visionlora.errors import VisionLoraError
from visionlora.files import is_regular
from visionlora.text import first_of, in_words

_SUFFIXES = (".txt", ".csv", ".tsv", ".lst")
_ASIDE = re.compile(r"(image[ _-]?)?(lists?|sets?)|class(es)?|labels?|annotations?|meta", re.IGNORECASE)
"""Names of folders that such lists may be in."""
_FLAGGED = re.compile(r"(\S+)\s+(-1|0|1)")
"""A line of VOC: an image, and 1 where it shows the class."""
_JOINED = re.compile(r"train[ _-]?val$", re.IGNORECASE)
_MOST_BYTES = 2**24
_MOST_LISTS = 2000
_SHOWN = 3

Found = dict[str, list[ImageFile]]


def labelled_by_lists(root: Path, folder: Path, several: bool) -> tuple[Found, list[str]]:
    """(split -> its labelled images, notes), where a list of images for each class names almost all images of
    a folder. Empty where there are no such lists.

    Args:
        root: what the user gave; lists are in it, in folders of lists, or beside the images.
        folder: of the images.
        several: an image may have several classes.

    Raises:
        SeveralLabels: an image is in the lists of two classes, and ``several`` is not set.
    """
    images = [ImageFile(path) for path in entries(folder).images]
    by_name = ByName(images)
    of_class = {
        path: named for path in _lists(root, folder, {image.path.stem for image in images})
        if (named := _named(path, by_name))
    }  # fmt: skip
    sides = {path: split_and_class(path.stem) for path in _without_joined(of_class)}
    if not {"train"} < {split for split, _ in sides.values()} or (None, "") in sides.values():
        sides = {path: ("train", path.stem) for path in of_class}
    names: dict[ImageFile, set[str]] = defaultdict(set)
    splits: dict[ImageFile, set[str]] = defaultdict(set)
    for path, (split, name) in sides.items():
        for image in of_class[path]:
            names[image].add(name)
            splits[image].add(split or "train")
    classes = set().union(*names.values())
    left = len(images) - len(names)
    if len(classes) < 2 or left > MOST_MISSING * len(images) or any(len(one) > 1 for one in splits.values()):
        return {}, []
    if not several:
        _refuse_several(names)
    found: Found = {}
    for image, said in names.items():
        found.setdefault(min(splits[image]), []).append(labelled(image.path, said))
    some = in_words(first_of(sorted(path.name for path in sides), _SHOWN, "more lists"))
    notes = [f"no class folders: the classes are those of {some}, each of which lists one class"]
    return found, notes + ([describe_left_out(left, some)] if left else [])


def _without_joined(lists: Collection[Path]) -> list[Path]:
    """The lists without VOC's ``cat_trainval.txt``, if train and val have lists of their own."""
    joined = [path for path in lists if _JOINED.search(path.stem)]
    apart = {split_and_class(path.stem)[0] for path in lists if path not in joined}
    return [path for path in lists if path not in joined] if {"train", "val"} <= apart else [*lists]


def _refuse_several(names: Mapping[ImageFile, set[str]]) -> None:
    image = next((image for image, said in names.items() if len(said) > 1), None)
    if image is not None:
        raise SeveralLabels(
            f"{image.path} is in the lists of {in_words(sorted(names[image]))}; set task=multi_label to "
            "learn all labels of an image, or leave it in one list"
        )


def _lists(root: Path, folder: Path, stems: set[str]) -> list[Path]:
    """The files that may list the images of a class: none that is called like an image, or like a split."""
    above = [one for one in folder.parents if one == root or one.is_relative_to(root)]
    places = list(dict.fromkeys([folder, *above]))
    aside = [one for place in places for one in entries(place).folders if _ASIDE.fullmatch(one.name)]
    aside += [one / "Main" for one in aside if (one / "Main").is_dir()]
    found = [path for place in dict.fromkeys((*places, *aside)) for path in entries(place).others]
    lists = [
        path for path in found
        if path.suffix.casefold() in _SUFFIXES and path.stem not in stems and not may_name_classes(path)
        and split_and_rest(path.stem)[1]
    ]  # fmt: skip
    return lists if len(lists) <= _MOST_LISTS else []


def _named(path: Path, by_name: ByName) -> list[ImageFile]:
    """The images that a list names, one a line; none where a line is something else."""
    if not is_regular(path, _MOST_BYTES):
        return []
    try:
        lines = [line.strip().strip('",;') for line in path.read_text("utf-8-sig").splitlines()]
        filled = [line for line in lines if line]
        flags = [_FLAGGED.fullmatch(line) for line in filled]
        if filled and all(flags):
            filled = [one[1] for one in flags if one and one[2] == "1"]
        return by_name.all_of(path, [[line] for line in filled]) if filled else []
    except (OSError, UnicodeDecodeError, VisionLoraError):  # it lists something else
        return []
