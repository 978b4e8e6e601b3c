"""Folders that hold views of the same things (inputs and targets, a folder for each scan): no classes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path

from visionlora.data.files.walk import entries, has_images, names_in
from visionlora.data.names.wordnet import meanings
from visionlora.text import Doubt, first_of, in_words, listed

_ROLES = (
    frozenset(("input", "target", "output", "source", "groundtruth", "gt", "noisy", "clean", "denoised")),
    frozenset(
        (
            "rgb", "color", "colour", "depth", "thermal", "ir", "infrared", "nir", "lwir", "swir",
            "disparity", "lidar", "flow", "visible", "normals", "albedo", "semantic", "instance",
        )
    ),
    frozenset(("lr", "hr", "lowres", "highres", "lowresolution", "highresolution")),
)  # fmt: skip
"""Names of folders that together hold each thing several times."""
_SIDES = (
    ("a", "b"), ("before", "after"), ("left", "right"), ("first", "second"), ("low", "high"),
    ("original", "edited"), ("content", "style"), ("sketch", "photo"), ("blur", "sharp"), ("real", "fake"),
    ("t1", "t2"), ("x", "y"), ("vorher", "nachher"), ("avant", "après"), ("antes", "después"),
    ("rain", "norain"), ("rainy", "clean"), ("rainy", "clear"), ("rain", "clean"), ("hazy", "clear"),
    ("hazy", "clean"), ("hazy", "gt"), ("haze", "clear"), ("haze", "dehaze"), ("foggy", "clear"),
    ("snow", "snowfree"), ("shadow", "shadowfree"), ("blurred", "sharp"), ("blurry", "sharp"),
    ("dark", "bright"), ("underexposed", "normal"), ("raw", "reference"), ("cover", "stego"),
)  # fmt: skip
"""Names of two folders that may be sides of the same things, and may be classes."""
_CAMERAS = re.compile(r"(cam(era)?|image|img|view|channel|ch|lens|sensor|frame)s?[ _-]?\d", re.IGNORECASE)
"""Names of folders that may hold what several cameras saw at once."""
_NUMBER = re.compile(r"\d{1,9}")
_SHARD = re.compile(r"[0-9a-f]{1,3}")
_ALMOST = 0.9
_ASKED = 20
"""So many names of a folder are looked for in another one before all of them are."""
_LEAST = 3
"""Images in a folder, at least, whose names being the same says something."""
_MOST_FOLDERS = 8
"""So many views of one thing, at most; of more folders each is a thing."""
_FEW = 5
_SHOWN = 3
_SCENE = "one folder for each patient, product or scan"


def refuse_pairs(root: Path, classes: Mapping[Path, Sequence[Path]]) -> list[str]:
    """A problem where folders are called like what goes into a network and what comes out, or like the
    channels of a camera, and hold as many images each.

    Args:
        root: the folder that they are in.
        classes: the folder of each class -> its images, at any depth.
    """
    names = [folder.name for folder in _as_many_in_each(classes)]
    if not names or not _are_roles(names):
        return []
    called = in_words(first_of(names, _SHOWN))
    return [
        f"{called} hold each thing once more (pairs for another task?), which are no classes; "
        f"give one of them, data.root={root / names[0]}, or a table of images and their classes"
    ]


def describe_same_names(classes: Mapping[Path, Sequence[Path]]) -> list[str]:
    """A note where class folders hold files of the same names: pairs of images, or one folder for each scan.
    Files that are only counted (``0.jpg``, ``1.jpg``) have the same names in classes, too.

    Args:
        classes: the folder of each class -> its images, at any depth.
    """
    filled = _as_many_in_each(classes)
    if not filled:
        return []
    names = [folder.name for folder in filled]
    sides = sorted(re.sub(r"[\W_]+", "", name.casefold()) for name in names)
    doubtful = any(sides == sorted(pair) for pair in _SIDES) or all(map(_CAMERAS.fullmatch, names))

    def stems_of(folder: Path, paths: Sequence[Path]) -> set[str]:
        return _stems(paths, folder.name if doubtful and len(folder.name) > 1 else "")

    (first, paths), *others = filled.items()
    some = stems_of(first, paths)
    for folder, its in others:
        asked = its[:: len(its) // _ASKED + 1]
        if len(some & stems_of(folder, asked)) < len(asked) / 2:
            return []
    stems = [some, *(stems_of(*one) for one in others)]
    together = set(chain.from_iterable(stems))
    if min(map(len, stems)) < max(_ALMOST * len(together), min(2, len(stems) - 1)):
        return []
    few = len(together) < (_LEAST if len(names) == 2 else 2)
    if not doubtful and (few or _are_counted(together) or _are_things(names)):
        return []
    what = "pairs of images, or several views of each" if len(names) <= _MOST_FOLDERS else _SCENE
    return [
        Doubt(
            f"{in_words(first_of(names, _SHOWN))} are taken for classes, but hold images of the same names "
            f"({listed(sorted(together), _SHOWN)}): {what}? Then list the images and their classes in a table"
        )
    ]


def _as_many_in_each(classes: Mapping[Path, Sequence[Path]]) -> Mapping[Path, Sequence[Path]]:
    """The folders that hold images, if there are several and about as many images in each; else none."""
    filled = {folder: paths for folder, paths in classes.items() if paths}
    counts = sorted(map(len, filled.values()))
    return filled if len(filled) > 1 and counts[0] >= _ALMOST * counts[-1] else {}


def _stems(paths: Iterable[Path], word: str) -> set[str]:
    """The names of images without suffix, and without a word that all begin or end with: ``rain-1``."""
    stems = {path.name.rpartition(".")[0] for path in paths}
    if not word:
        return stems
    said = re.compile(rf"{re.escape(word)}[ _-]*(?=.)|(?<=.)[ _-]*{re.escape(word)}$", re.IGNORECASE)
    return {said.sub("", stem, count=1) for stem in stems} if all(map(said.search, stems)) else stems


def describe_lone(classes: Mapping[Path, Sequence[Path]]) -> list[str]:
    """A note where most class folders hold one image, and few are called like kinds of things.

    Args:
        classes: the folder of each class -> its images, at any depth.
    """
    filled = {folder: paths for folder, paths in classes.items() if paths}
    lone = [folder.name for folder, paths in filled.items() if len(paths) == 1]
    if len(filled) < _FEW or len(lone) <= len(filled) / 2 or _are_things(lone):
        return []
    return [
        Doubt(
            f"{len(lone)} of {len(filled)} class folders hold one image each ({listed(lone, _SHOWN)}): "
            f"{_SCENE}? Then list the images and their classes in a table, or move them into class folders; "
            "else add images"
        )
    ]


def _are_things(names: Sequence[str]) -> bool:
    """Whether most names are words for things, as those of classes are: ``cat``, not ``cam0`` or ``0815``."""
    return 2 * sum(bool(meanings(name)) for name in names) > len(names)


def are_shards(folders: Sequence[Path]) -> bool:
    """Whether folders have the first letters of the names in them, which are numbers or checksums:
    ``ab/ab12cd.jpg``."""
    if len(folders) < 2 or not all(_SHARD.fullmatch(folder.name) for folder in folders):
        return False
    within = [(folder.name, name) for folder in folders for name in names_in(folder) if name[0] != "."]
    return bool(within) and all(name.startswith(of) and name[len(of)].isalnum() for of, name in within)


def below_letters(folders: Sequence[Path]) -> tuple[Sequence[Path], list[str]]:
    """The folders in folders that are called like their first letters (Places365's ``a/abbey``), and a note;
    else the folders as they are."""
    if len(folders) < 2 or not all(len(one.name) == 1 and one.name.isalpha() for one in folders):
        return folders, []
    inside = {folder: entries(folder) for folder in folders}
    below = [one for found in inside.values() for one in found.folders if has_images(one)]
    begin = all(
        re.match(rf"{re.escape(one.parent.name)}[^\W\d_]{{2}}", one.name, re.IGNORECASE) for one in below
    )
    if not begin or len(below) <= len(folders) or any(found.images for found in inside.values()):
        return folders, []
    some = listed(sorted(f"{one.parent.name}/{one.name}" for one in below), _SHOWN)
    return below, [f"the folders below letters are taken for the classes: {some}"]


def describe_shards(folders: Sequence[Path]) -> list[str]:
    """A note about class folders that are :func:`are_shards`."""
    if not are_shards(folders):
        return []
    names = in_words(first_of([folder.name for folder in folders], _SHOWN))
    return [
        Doubt(
            f"{names} are taken for classes, but begin the names of the images in them; if these are parts "
            "of one set, list the images and their classes in a table"
        )
    ]


def _are_roles(names: Sequence[str]) -> bool:
    """Whether all names are of one group of roles, in the singular or the plural and with numbers."""
    plain = {re.sub(r"[\W\d_]+|images?|imgs?|maps?", "", name.casefold()) for name in names}
    return any(all({name, name.removesuffix("s")} & roles for name in plain) for roles in _ROLES) and (
        len(plain) == len(names)
    )


def _are_counted(stems: set[str]) -> bool:
    """Whether most names are words with one number in each, which counts from 0 or 1 on."""
    numbers: dict[str, set[int]] = defaultdict(set)
    for stem in stems:
        if len(found := _NUMBER.findall(stem)) == 1:
            numbers[_NUMBER.sub("#", stem)].add(int(found[0]))
    counted = [
        some for some in numbers.values() if max(some) <= len(some) + max(1, (1 - _ALMOST) * len(some))
    ]
    return sum(map(len, counted)) >= len(stems) / 2
