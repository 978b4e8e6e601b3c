"""Spellings of one class name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

_TYPOGRAPHIC = str.maketrans("\u2018\u2019\u02bc\u2010\u2011\u2013\u2014", "'''----")
"""Apostrophes and dashes as word processors write them."""
_GAP = re.compile(r"(?:[\s_]|(?<=[^\s_-])-(?=[^\s_-])|(?<=[\s_])-(?=[\s_]))+")
"""Between words; a sign is none: ``-1`` is not ``1``, nor ``A-`` the same as ``A``."""
_ASCII = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})


def two_spellings(root: Path, classes: Iterable[str]) -> list[str]:
    """A line for each pair of class names that differ only in case, spaces, underscores or Unicode form."""
    seen: dict[str, str] = {}
    problems = []
    for label in sorted(classes):
        spelling = folded(label)
        if spelling in seen:
            problems.append(
                f"{root}: {seen[spelling]!r} and {label!r} are one class in two spellings; use one of them"
            )
        else:
            seen[spelling] = label
    return problems


def folded(name: str) -> str:
    """What two spellings of one class name have in common."""
    # Marks of zero width (Cf) come with text from web pages and spreadsheets.
    name = "".join(character for character in name if unicodedata.category(character) != "Cf")
    name = name.translate(_TYPOGRAPHIC)
    # Macs store "ä" as two characters (NFD), other systems as one.
    return _GAP.sub(" ", unicodedata.normalize("NFKC", name)).strip().casefold()


def joined(name: str) -> str:
    """What ``RedFox`` and ``red fox``, ``Käfer`` and ``Kaefer`` have in common."""
    return folded(name).translate(_ASCII).replace(" ", "")
