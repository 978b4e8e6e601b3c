"""Images that are in two sets of a run although one of these learns or chooses and the other reports."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from visionlora.data.manifest import ReadImage
from visionlora.text import counted

_LEARNED = ("train", "anchor", "negative")
_MEASURED = ("val", "test", "retention", "contrast")
_PAIRS = (*((one, other) for one in _LEARNED for other in _MEASURED), ("val", "test"))


def overlaps(images: Sequence[ReadImage]) -> list[str]:
    """Equal files under two labels, and in sets that should have none in common, a line for each pair.

    Found by the content of the files. ``visionlora check`` finds similar images too. Training images that
    are all validated on, the same files, are meant so (``data.folds``).
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
