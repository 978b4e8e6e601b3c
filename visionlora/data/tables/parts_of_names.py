"""Images by a number in their names, or without a word that all of them end in."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

_BEHIND = re.compile(r"(\D*)(\d{1,18})(\D*)", re.ASCII)
"""A number behind a word, or before one: ``img_0012``, ``0012_thumbnail``."""
_ENDING = re.compile(r"(.+)([_-][A-Za-z]+)")
"""A name with a word behind it: ``0a1b_thumbnail``."""


def behind_one_word(images: Sequence[Path]) -> dict[int, Path]:
    """number -> the image that is called by it, where all names are one word with a number behind it, or
    before it."""
    found: dict[int, Path] = {}
    words = set()
    for image in images:
        match = _BEHIND.fullmatch(image.stem)
        if match is None or int(match[2]) in found:
            return {}
        words.add(match.group(1, 3))
        found[int(match[2])] = image
    return found if len(words) == 1 else {}


def without_one_ending(images: Sequence[Path]) -> dict[str, list[Path]]:
    """The images by their names without the word that all of them have behind it."""
    found: dict[str, list[Path]] = defaultdict(list)
    endings: set[str] = set()
    for image in images:
        match = _ENDING.fullmatch(image.stem)
        if match is None or len(endings | {match[2]}) > 1:
            return {}
        endings.add(match[2])
        found[folded_name(match[1])].append(image)
    return found if len(images) > 1 else {}


def folded_name(name: str) -> str:
    """The name of a file or a folder without case and Unicode form."""
    return unicodedata.normalize("NFC", name).casefold()
