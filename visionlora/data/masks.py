"""Masks of images, as data sets for segmentation have them, are no images of a class."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from visionlora.data.split_names import GENERIC
from visionlora.text import listed

_MASKS = re.compile(
    r"(image[ _-]?)?masks?|segmentations?|segmentation[ _-]?(class|object|masks?)"
    r"|ground[ _-]?truths?|gts?|annotations?|labels?",
    re.IGNORECASE,
)
_MASK_OF = re.compile(
    r"(.+?)[ _.-](?:mask|seg|segmentation|gt|groundtruth|label|trimap)(?:[ _-]?\d+)?", re.IGNORECASE
)


def refuse_masks(classes: Mapping[Path, Sequence[Path]]) -> list[str]:
    """A problem where folders of images and of their masks stand where class folders should.

    Args:
        classes: the folder of each class -> its images, at any depth.
    """
    filled = [folder for folder, paths in classes.items() if paths]
    images = next((one for one in filled if _is_images(one.name)), None)
    masks = next((one for one in filled if _MASKS.fullmatch(one.name)), None)
    if images is None or masks is None:
        return []
    return [
        f"{masks} looks like masks of the images in {images.name}, which are not read; give the images, "
        f"data.root={images}"
    ]


def are_masks_beside(names: Sequence[str]) -> bool:
    """Whether folders of these names are images and their masks."""
    return any(map(_is_images, names)) and any(map(_MASKS.fullmatch, names))


def without_masks(classes: Mapping[Path, Sequence[Path]]) -> tuple[dict[Path, Sequence[Path]], list[str]]:
    """The images of each class without the masks that lie in a folder of their own beside them
    (``benign/images``, ``benign/masks``), and a note of what was left out.

    Args:
        classes: the folder of each class -> its images, at any depth.
    """
    kept: dict[Path, Sequence[Path]] = {}
    masks: list[Path] = []
    for folder, paths in classes.items():
        depth = len(folder.parts)
        below = {path.parts[depth] for path in paths if len(path.parts) > depth + 1}
        left = {name for name in below if _MASKS.fullmatch(name)} if are_masks_beside(sorted(below)) else ()
        kept[folder] = [path for path in paths if path.parts[depth] not in left] if left else paths
        masks += [folder / name for name in sorted(left)]
    if not masks:
        return kept, []
    names = listed([f"{one.parent.name}/{one.name}" for one in masks], 3)
    return kept, [f"masks of images are left out: {names}"]


def mask_files(paths: Sequence[Path]) -> list[Path]:
    """The files that are called like the mask of another one: ``a_mask.png`` beside ``a.png``."""
    found = [(path, match[1]) for path in paths if (match := _MASK_OF.fullmatch(path.stem))]
    if not found:
        return []
    stems = {(path.parent, path.stem) for path in paths}
    return [path for path, stem in found if (path.parent, stem) in stems]


def _is_images(name: str) -> bool:
    return set(name.casefold().split()) <= GENERIC
