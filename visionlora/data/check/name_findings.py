"""Names of classes and files that some program would not take for text."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence

from visionlora.data.check.findings import Finding, SeenImage
from visionlora.data.splits.make_splits import ImageFolder
from visionlora.text import counted, printable

_MOST = 20
_SHAPES = str.maketrans(
    "аеорсухіјѕһԁԛԝАВЕКМНОРСТУХІЈЅΑΒΕΖΗΙΚΜΝΟΡΤΥΧον",  # noqa: RUF001 - that they look like others is the point
    "aeopcyxijshdqwABEKMHOPCTYXIJSABEZHIKMNOPTYXov",
)
"""Cyrillic and Greek letters as the Latin ones that they look like."""


def name_findings(folder: ImageFolder, images: Sequence[SeenImage]) -> list[Finding]:
    """A note for each kind of unusual name; they are shown as text everywhere, so nothing need be done."""
    files = {image.path.name for image in images}
    both = [*folder.classes, *sorted(files)]
    kinds: tuple[tuple[str, Callable[[str], bool], Iterable[str]], ...] = (
        ("not in UTF-8", _not_utf8, both),
        ("with control characters", _control, both),
        ("written from right to left", _right_to_left, folder.classes),
        ("with letters of two scripts that look alike", _two_scripts, folder.classes),
        ("with a space at an end", lambda name: name != name.strip(), folder.classes),
        ("that a spreadsheet would take for a formula", lambda name: name[:1] in "=+-@", folder.classes),
        ("with signs of markup", lambda name: any(sign in name for sign in "<>[]$&"), folder.classes),
    )
    findings = []
    for what, test, names in kinds:
        unusual = [name for name in names if name and test(name)]
        if unusual:
            count = counted(len(unusual), "name")
            lines = tuple(printable(name) for name in unusual[:_MOST])
            findings.append(
                Finding("note", "names", f"{count} {what}", "they are shown as text", lines=lines)
            )
    return [*_look_alike(folder.classes), *findings]


def _look_alike(classes: Sequence[str]) -> list[Finding]:
    """A warning for classes whose names differ in letters that look the same: a Latin and a Cyrillic "a"."""
    by_shape: dict[str, list[str]] = {}
    for name in classes:
        by_shape.setdefault(name.translate(_SHAPES), []).append(name)
    pairs = [names for names in by_shape.values() if len(names) > 1]
    if not pairs:
        return []
    title = f"{counted(len(pairs), 'group')} of classes with names that look the same"
    lines = tuple(" and ".join(map(ascii, names)) for names in pairs[:_MOST])
    return [
        Finding("warning", "names", title, "if they are one class, put them into one folder", lines=lines)
    ]


def _not_utf8(name: str) -> bool:
    return not name.isascii() and any(0xDC80 <= ord(character) <= 0xDCFF for character in name)


def _control(name: str) -> bool:
    # printable() looks at each character, which takes half a second for 20,000 names.
    return not name.isprintable() and not _not_utf8(name) and printable(name) != name


def _two_scripts(name: str) -> bool:
    """Whether a Latin "a" stands beside a Cyrillic one: two classes may have one name to the eye."""
    names = {unicodedata.name(character, "").partition(" ")[0] for character in name if not name.isascii()}
    return len(names & {"LATIN", "CYRILLIC", "GREEK"}) > 1


def _right_to_left(name: str) -> bool:
    return not name.isascii() and any(
        unicodedata.bidirectional(character) in ("R", "AL") for character in name
    )
