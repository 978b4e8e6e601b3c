"""Masks of images, as data sets for segmentation have them, are no images of a class."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

from visionlora.data.names.split_names import GENERIC
from visionlora.text import Doubt, listed

_MASKS = re.compile(
    r"(masks?|segmentations?(class|object|masks?)?|groundtruths?|gts?|gtfine|gtcoarse|anno?(tation)?s?|annots?|labels?)"
    r"(colou?r(ed|s)?|rgb|ids?|raw)?|(panoptic|semantic)(seg(mentation)?)?s?|depth(maps?)?|disparit(y|ies)"
)
_MASK_OF = re.compile(
    r"(.+?)[ _.-](?:mask(?:label)?|seg|segmentation|gt|groundtruth|label|trimap|thumb|thumbnail)"
    r"(?:[ _-]?\d+)?",
    re.IGNORECASE,
)
_LAST_WORD = re.compile(r"(.+)([ _.-][A-Za-z][A-Za-z0-9]*)")
_FRAME = re.compile(r"[ _.-](frames?|fr|f|img|image|shot|crop|patch|tile|photo|pic|no|nr)\d+", re.IGNORECASE)
"""Words that count images."""
_SHOWN = 3


def refuse_masks(classes: Mapping[Path, Sequence[Path]]) -> list[str]:
    """A problem where folders of images and of their masks stand where class folders should.

    Args:
        classes: the folder of each class -> its images, at any depth.
    """
    filled = [folder for folder, paths in classes.items() if paths]
    images = next((one for one in filled if _is_images(one.name)), None)
    masks = next((one for one in filled if is_masks(one.name)), None)
    if images is None or masks is None:
        return []
    return [
        f"{masks} looks like masks of the images in {images.name}, which are not read; give the images, "
        f"data.root={images}"
    ]


def are_masks_beside(names: Sequence[str]) -> bool:
    """Whether folders of these names are images and their masks."""
    return any(map(_is_images, names)) and any(map(is_masks, names))


def without_masks(classes: Mapping[Path, Sequence[Path]]) -> tuple[dict[Path, Sequence[Path]], list[str]]:
    """The images of each class without the masks that lie in a folder of their own, beside the images or a
    folder of them (``benign/images``, ``benign/masks``), and a note of what was left out.

    Args:
        classes: the folder of each class -> its images, at any depth.
    """
    kept: dict[Path, Sequence[Path]] = {}
    masks: list[Path] = []
    for folder, paths in classes.items():
        depth = len(folder.parts)
        below = {path.parts[depth] for path in paths if len(path.parts) > depth + 1}
        direct = any(len(path.parts) == depth + 1 for path in paths)
        left = {name for name in below if is_masks(name)}
        left = left if direct or any(map(_is_images, below - left)) else set()
        kept[folder] = [path for path in paths if path.parts[depth] not in left] if left else paths
        masks += [folder / name for name in sorted(left)]
    if not masks:
        return kept, []
    names = listed([f"{one.parent.name}/{one.name}" for one in masks], _SHOWN)
    return kept, [f"masks of images are left out: {names}"]


def describe_sets(classes: Mapping[Path, Sequence[Path]]) -> list[str]:
    """A note where all images of a class, or of all of them, come in sets of the same last words:
    ``a_red.png``, ``a_green.png``."""
    for paths in (*classes.values(), chain.from_iterable(classes.values())):
        sets: dict[tuple[Path, str], set[str]] = defaultdict(set)
        for path in paths:
            if (match := _LAST_WORD.fullmatch(path.stem)) is None:
                break
            sets[path.parent, match[1]].add(match[2])
        else:
            words = next(iter(sets.values()), set())
            if all(map(_FRAME.fullmatch, words)):  # video1_frame0001: one video's are as many as another's
                continue
            if len(sets) > 1 and len(words) > 1 and all(one == words for one in sets.values()):
                if len(sets) == len(classes) > 1 and len({folder for folder, _ in sets}) == len(sets):
                    return [_one_set_each([folder.name for folder in classes], sorted(words))]
                return [
                    f"images come in sets of {len(words)} ({listed(sorted(words), _SHOWN)}), each image "
                    "counts by itself; if they are channels, depths or masks of one image, keep one each"
                ]
    return []


def _one_set_each(folders: Sequence[str], words: Sequence[str]) -> Doubt:
    """``scene1/scene1_B01.tif``, ``scene2/scene2_B01.tif``: satellites' scenes, a specimen's stains."""
    return Doubt(
        f"{listed(folders, _SHOWN)} are taken for classes, but hold one set of images each "
        f"({listed(words, _SHOWN)}): one folder for each patient, product or scene? Then list the images and "
        "their classes in a table"
    )


def mask_files(paths: Sequence[Path]) -> list[Path]:
    """The files that are called like the mask of another one: ``a_mask.png`` beside ``a.png``."""
    found = [(path, match[1]) for path in paths if (match := _MASK_OF.fullmatch(path.stem))]
    if not found:
        return []
    stems = {(path.parent, path.stem) for path in paths}
    return [path for path, stem in found if (path.parent, stem) in stems]


def is_masks(name: str) -> bool:
    """Whether a folder is called like one of masks: ``masks_png``, ``Ground Truth``."""
    words = [word for word in _words(name) if word not in GENERIC]
    return _MASKS.fullmatch("".join(words)) is not None


def _is_images(name: str) -> bool:
    return set(_words(name)) <= GENERIC


def _words(name: str) -> list[str]:
    return re.findall(r"[^\W_]+", name.casefold())
