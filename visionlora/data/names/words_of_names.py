"""Words in the names of images that may be their classes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from visionlora.data.names.split_names import split_name
from visionlora.text import first_of

NUMBER_LAST = re.compile(r"([^\W\d_]+(?:[ _-][^\W\d_]+)*)[\W_]*\d+[\W_]*")
NUMBER_FIRST = re.compile(r"(?:.*[\W_])?\d+[\W_]+([^\W\d_]+(?:[ _-][^\W\d_]+)*)")
_CAMERA = frozenset(
    (
        "img", "image", "images", "dsc", "dscn", "dscf", "pxl", "photo", "photos", "picture", "pic", "p",
        "screenshot", "wp", "scan", "frame",
    )
)  # fmt: skip
_FRAME = re.compile(r"(.+?)[ _.-]*frames?[ _.-]?\d+", re.IGNORECASE)
_ASKED = 20
"""So many names are looked at for a word before all of them are."""
_SHOWN = 3


def first_words(images: Sequence[Path]) -> list[str]:
    """What the names begin with where that may be the classes: ``cat.0.jpg``, ``dog_1.jpg``."""
    found = Counter(match[1] if (match := NUMBER_LAST.fullmatch(path.stem)) else "" for path in images)
    words = [word for word, count in found.most_common() if count > 1]
    if len(words) < 2 or len(words) < len(found) or any(word.casefold() in _CAMERA for word in words):
        return []
    if all(split_name(word) for word in words):  # Train_0.jpg, Test_0.jpg: what is missing is a table
        return []
    return first_of(words, _SHOWN, "more words")


def last_words(images: Sequence[Path]) -> list[str]:
    """What the names end in behind a number where that may be the classes: ``img_0_cat.jpg``."""
    found = Counter(match[1] if (match := NUMBER_FIRST.fullmatch(path.stem)) else "" for path in images)
    words = [word for word, count in found.most_common() if count > 1]
    return words if 1 < len(words) == len(found) and "" not in found else []


def describe_frames(train: Sequence[Path], val: Sequence[Path]) -> list[str]:
    """A note where images are frames of videos by their names (``video1_frame0001``), and frames of one video
    are in train and in val."""
    if not any("frame" in path.name.casefold() for path in train[:: len(train) // _ASKED + 1]):
        return []
    sides = [{_video(path) for path in side} - {None} for side in (train, val)]
    both = sorted(name for name in sides[0] & sides[1] if name)
    if not both:
        return []
    some = f"{both[0]} and {len(both) - 1} more" if len(both) > 1 else both[0]
    return [
        f"frames of one video ({some}) are in train and in val, which is easier than a new video; a table "
        "with a column split, or folders train and val, keep them apart"
    ]


def _video(path: Path) -> str | None:
    match = _FRAME.fullmatch(path.stem)
    return f"{path.parent.name}/{match[1]}" if match else None
