"""Images that are in two sets of a run, of which one is trained or chosen on and the other is measured on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from visionlora.data.splits.manifest import ReadImage
from visionlora.text import counted

_LEARNED = ("train", "anchor", "negative")
_MEASURED = ("val", "test", "retention", "contrast")
_PAIRS = (*((one, other) for one in _LEARNED for other in _MEASURED), ("val", "test"))


def overlaps(images: Sequence[ReadImage]) -> list[str]:
    """Equal files under two labels, or in two sets that should have none in common: one line for each pair.

    Files are compared by their SHA-256; ``visionlora check`` finds similar images too. If all training images
    are the validation images, that is on purpose (``data.folds``).
    """
    by_content: dict[str, dict[str, ReadImage]] = defaultdict(dict)
    paths: dict[str, set[str]] = defaultdict(set)
    for image in images:
        by_content[image.sha256].setdefault(image.role, image)
        paths[image.role].add(image.path)
    lines = _conflicts(images)
    for one, other in _PAIRS:
        both = [roles for roles in by_content.values() if one in roles and other in roles]
        if not both or paths[one] == paths[other]:
            continue
        count = counted(len(both), "image is", "images are")
        first = both[0]
        lines.append(
            f"{count} in both {one} and {other}, the first: {first[one].path} is {first[other].path}: the "
            f"figures on {other} images are too good; remove them from one side (visionlora check)"
        )
    return lines


def _conflicts(images: Sequence[ReadImage]) -> list[str]:
    """A line where equal files are labelled images of different classes."""
    by_content: dict[str, dict[str, ReadImage]] = defaultdict(dict)
    for image in images:
        if image.role in ("train", "val", "test") and image.label is not None:
            by_content[image.sha256].setdefault(image.label, image)
    found = [list(labels.values()) for labels in by_content.values() if len(labels) > 1]
    if not found:
        return []
    count = counted(len(found), "image is", "images are")
    one, other = found[0][:2]
    return [
        f"{count} under different labels, the first: {one.path} ({one.label}) is {other.path} "
        f"({other.label}): the network is told two things about one image; keep one (visionlora check)"
    ]
