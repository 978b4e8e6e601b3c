"""Words in the names of images that may be their classes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from visionlora.data.names.split_names import split_name

NUMBER_LAST = re.compile(r"([^\W\d_]+(?:[ _-][^\W\d_]+)*)[\W_]*\d+[\W_]*")
NUMBER_FIRST = re.compile(r"(?:.*[\W_])?\d+[\W_]+([^\W\d_]+(?:[ _-][^\W\d_]+)*)")
_CAMERA = frozenset(
    (
        "img", "image", "images", "dsc", "dscn", "dscf", "pxl", "photo", "photos", "picture", "pic", "p",
        "screenshot", "wp", "scan", "frame",
    )
)  # fmt: skip
_SHOWN = 3


def first_words(images: Sequence[Path]) -> list[str]:
    """What the names begin with where that may be the classes: ``cat.0.jpg``, ``dog_1.jpg``."""
    found = Counter(match[1] if (match := NUMBER_LAST.fullmatch(path.stem)) else "" for path in images)
    words = [word for word, count in found.most_common() if count > 1]
    if len(words) < 2 or len(words) < len(found) or any(word.casefold() in _CAMERA for word in words):
        return []
    if all(split_name(word) for word in words):  # Train_0.jpg, Test_0.jpg: what is missing is a table
        return []
    return words if len(words) <= _SHOWN else [*words[:_SHOWN], f"{len(words) - _SHOWN} more words"]


def last_words(images: Sequence[Path]) -> list[str]:
    """What the names end in behind a number where that may be the classes: ``img_0_cat.jpg``."""
    found = Counter(match[1] if (match := NUMBER_FIRST.fullmatch(path.stem)) else "" for path in images)
    words = [word for word, count in found.most_common() if count > 1]
    return words if 1 < len(words) == len(found) and "" not in found else []
