"""Dividing images: into two parts or into folds, each class spread evenly, copies of one image together."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from visionlora.data.copies.same_image import same_images
from visionlora.data.images.decode import ImageFile
from visionlora.data.splits.several_split import spread
from visionlora.errors import VisionLoraError


def stratified(
    images: Sequence[ImageFile],
    root: Path,
    val_fraction: float,
    seed: int,
    copies: Mapping[Path, bytes] | None = None,
) -> tuple[list[ImageFile], list[ImageFile]]:
    """Split into (train, val), each class by itself.

    Of n images of a class ``round(n * val_fraction)`` validate, but at least one and never all: a class
    with one image has it in train and none in val, two images give one and one, three give two and one
    (at the default fraction of a quarter). A fraction of 0 leaves everything in train.

    An image's place is decided by a hash of the seed and its path below ``root``, so the split is the same
    on every machine, and an image added later moves few of the others. Copies of one image are on one side,
    whatever their classes, except where a class is one image and its copies.

    Args:
        images: what to split.
        root: of their paths.
        val_fraction: 0 or more and less than 1.
        seed: of the order.
        copies: of :func:`visionlora.data.copies.same_image.same_images`; None: it is asked.
    """
    if val_fraction <= 0:
        return list(images), []
    copies = same_images(image.path for image in images) if copies is None else copies
    if any(image.labels is not None for image in images):
        ordered = sorted(images, key=lambda one: hashed(one, root, seed))
        validating = spread(ordered, val_fraction, copies)
        train = [image for image in images if image not in validating]
        return train, [image for image in images if image in validating]
    taken: set[int] = set()  # hashing an image takes longer than its path
    decided: dict[Path | bytes, bool] = {}
    for members in _by_class(images).values():
        members.sort(key=lambda one: hashed(one, root, seed))
        taken.update(map(id, _validating(members, val_fraction, copies, decided)))
    train = [image for image in images if id(image) not in taken]
    return train, [image for image in images if id(image) in taken]


def _validating(
    members: Sequence[ImageFile],
    val_fraction: float,
    copies: Mapping[Path, bytes],
    decided: dict[Path | bytes, bool],
) -> list[ImageFile]:
    """The images of one class that validate, the first of them where there is a choice.

    ``decided`` says of images whether they and their copies validate, and learns what is decided here.
    """
    left = min(max(1, round(len(members) * val_fraction)), len(members) - 1)
    apart = len({copies.get(image.path, image.path) for image in members})
    equal: dict[Path | bytes, list[ImageFile]] = defaultdict(list)
    for image in members:
        equal[image.path if apart == 1 else copies.get(image.path, image.path)].append(image)
    apart = len(equal)
    fewest = min(map(len, equal.values()))
    taken: list[ImageFile] = []
    # What another class has decided first; then what there is room for, or else the fewest copies.
    for key in sorted(equal, key=lambda key: key not in decided):
        group = equal[key]
        room = len(group) <= left or (len(group) == fewest > left > 0 and not taken)
        if decided.setdefault(key, room and apart > 1) and apart > 1:
            taken += group
            left -= len(group)
            apart -= 1
    return taken


def _by_class(images: Sequence[ImageFile]) -> dict[str | None, list[ImageFile]]:
    """Images that have one label each, by it."""
    by_class: dict[str | None, list[ImageFile]] = defaultdict(list)
    for image in images:
        by_class[image.label].append(image)
    return by_class


def k_folds(
    images: Sequence[ImageFile], root: Path, folds: int, seed: int
) -> list[tuple[list[ImageFile], list[ImageFile]]]:
    """(train, val) of each of ``folds`` parts: every image is in one val, its classes spread evenly.

    Copies of one image are in one part, except where a class has nothing else.

    Raises:
        VisionLoraError: a class has a single image, so a fold could not learn it, or there are fewer
            images than folds.
    """
    by_class = _by_class(images)
    lone = next((label for label, members in by_class.items() if len(members) < 2), None)
    if lone is not None:
        raise VisionLoraError(
            f"data.folds: class {lone!r} has one image; add another, or set data.folds=null"
        )
    if len(images) < folds:
        raise VisionLoraError(f"data.folds is {folds} for {len(images)} images; set it to at most as many")
    copies = same_images(image.path for image in images)
    part: dict[ImageFile, int] = {}
    parts: dict[bytes, int] = {}
    for label in sorted(by_class, key=str):
        members = by_class[label]
        apart = len({copies.get(image.path, image.path) for image in members}) > 1
        for image in sorted(members, key=lambda one: hashed(one, root, seed)):
            there = len(part) % folds  # where one class ends the next goes on: parts stay even
            key = copies.get(image.path)
            part[image] = parts.setdefault(key, there) if apart and key is not None else there
        if apart and len({part[image] for image in members}) == 1:
            last = copies.get(members[-1].path, members[-1].path)
            for image in members:
                if copies.get(image.path, image.path) == last:
                    part[image] = (part[image] + 1) % folds
    return [
        ([p for p in images if part[p] != fold], [p for p in images if part[p] == fold])
        for fold in range(folds)
    ]


def hashed(image: ImageFile, root: Path, seed: int) -> bytes:
    """A number for an image's place in an order, a function of the seed and its path below ``root``."""
    # Paths compare and cut several times slower than strings.
    name = str(image.path).removeprefix(_start_of(root)).replace(os.sep, "/")
    return hashlib.sha256(f"{seed}/{name}".encode(errors="surrogateescape")).digest()


@lru_cache(maxsize=8)
def _start_of(root: Path) -> str:
    return os.path.join(root, "")  # noqa: PTH118
