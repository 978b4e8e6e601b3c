"""Images that a set of a run gives up because another one has them, and measures or is measured by them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from visionlora.data.images.decode import ImageFile
from visionlora.data.images.identity import file_hash
from visionlora.errors import VisionLoraError
from visionlora.text import counted

SETTINGS = {
    "anchor": "retention.anchors", "negative": "contrast.anchors", "retention": "retention.root",
    "contrast": "contrast.root",
}  # fmt: skip
_APART = {
    "retention": ("train",),
    "anchor": ("retention",),
    "negative": ("train", "val", "test", "retention"),
    "contrast": ("negative", "train", "val", "test"),
}
"""What a set is for -> the sets that it must have no image of: nothing is measured on what is trained with,
and nothing is a negative of the class that it shows."""


@dataclass(frozen=True)
class _File:
    role: str
    image: ImageFile


def without_overlap(
    role: str, images: Sequence[ImageFile], sets: Mapping[str, Sequence[ImageFile]]
) -> tuple[set[Path], list[str]]:
    """The images of a set that others have, too, by their bytes, and what to say about it.

    Args:
        role: what the set is for.
        images: the set.
        sets: the others, by what they are for.

    Raises:
        VisionLoraError: that are all images of the set.
    """
    others = [_File(other, image) for other in _APART.get(role, ()) for image in sets.get(other, ())]
    shared: set[Path] = set()
    where: set[str] = set()
    for group in _equal([*(_File(role, image) for image in images), *others]):
        roles = {file.role for file in group} - {role}
        if roles:
            shared |= {file.image.path for file in group if file.role == role}
            where |= roles
    if not shared:
        return shared, []
    named = " and ".join(SETTINGS.get(one, f"{one} images") for one in _APART[role] if one in where)
    if shared >= {image.path for image in images}:
        raise VisionLoraError(
            f"{SETTINGS[role]}: every image is also among {named}; give other images, or leave one out"
        )
    count = counted(len(shared), "image")
    return shared, [f"{count} of {SETTINGS[role]} left out: also among {named} (first: {min(shared)})"]


def _equal(files: Iterable[_File]) -> list[list[_File]]:
    """Groups of files with the same bytes; only files of one size are read."""
    by_size: dict[int, list[_File]] = defaultdict(list)
    for file in files:
        try:
            by_size[file.image.path.stat().st_size].append(file)
        except OSError:  # the check of the images says so
            continue
    groups: dict[tuple[int, str], list[_File]] = defaultdict(list)
    for same in by_size.values():
        if len({file.image.path for file in same}) == 1:
            groups[(-1, str(same[0].image.path))] += same
            continue
        hashes: dict[Path, tuple[int, str]] = {}
        for file in same:
            try:
                path = file.image.path
                hashes[path] = hashes.get(path) or file_hash(path)
                groups[hashes[path]].append(file)
            except OSError:
                continue
    return [group for group in groups.values() if len(group) > 1]
