"""Spellings of one class name."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from visionlora.data.images.decode import ImageFile, labelled
from visionlora.data.names.garbled import repaired
from visionlora.text import listed

_TYPOGRAPHIC = str.maketrans("\u2018\u2019\u02bc\u2010\u2011\u2013\u2014", "'''----")
"""Apostrophes and dashes as word processors write them."""
_GAP = re.compile(r"(?:[\s_]|(?<=[^\s_-])-(?=[^\s_-])|(?<=[\s_])-(?=[\s_]))+")
"""Between words; a sign is none: ``-1`` is not ``1``, nor ``A-`` the same as ``A``."""
_PLUS = re.compile(r"(?<=\w)\+(?=\w)")
"""For a space, as in addresses; C++ is not C."""
_ASCII = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})


def in_one_form(
    found: Mapping[str, Sequence[ImageFile]],
) -> tuple[dict[str, list[ImageFile]], list[str]]:
    """The images of each split with one name for classes whose names look the same, since they differ in
    their Unicode form alone (a Mac's folder beside that of another system), and a note."""
    names = {name for images in found.values() for image in images for name in image.names}
    names = {name for name in names if not name.isascii()}
    forms = Counter(unicodedata.normalize("NFC", name) for name in names)
    new = {name: form for name in names if forms[form := unicodedata.normalize("NFC", name)] > 1}
    if not new:
        return {split: list(images) for split, images in found.items()}, []

    def renamed(image: ImageFile) -> ImageFile:
        if not new.keys() & set(image.names):
            return image
        if image.labels is not None:
            return labelled(image.path, (new.get(name, name) for name in image.labels))
        return ImageFile(image.path, new[image.label or ""])

    both = listed(sorted(set(new.values())), 3)
    said = f"{both}: written in two Unicode forms (a Mac's and another system's), taken for one class"
    return {split: [renamed(image) for image in images] for split, images in found.items()}, [said]


def two_spellings(root: Path, classes: Iterable[str]) -> list[str]:
    """A line for each pair of class names that differ only in case, spaces, underscores or Unicode form."""
    seen: dict[str, str] = {}
    problems = []
    for label in sorted(classes):
        spelling = folded(repaired(label) or label)
        if spelling in seen:
            problems.append(
                f"{root}: {seen[spelling]!r} and {label!r} are one class in two spellings; use one of them"
            )
        else:
            seen[spelling] = label
    return problems


def folded(name: str) -> str:
    """What two spellings of one class name have in common."""
    # Marks of zero width (Cf) come with text from web pages and spreadsheets, those of variants with emoji.
    name = "".join(one for one in name if unicodedata.category(one) != "Cf" and one not in "\ufe0e\ufe0f")
    name = name.translate(_TYPOGRAPHIC)
    # Macs store "ä" as two characters (NFD), other systems as one.
    return _GAP.sub(" ", unicodedata.normalize("NFKC", name)).strip().casefold()


def joined(name: str) -> str:
    """What ``RedFox`` and ``red fox``, ``Käfer`` and ``Kaefer`` have in common."""
    return _PLUS.sub("", folded(name).translate(_ASCII).replace(" ", ""))
