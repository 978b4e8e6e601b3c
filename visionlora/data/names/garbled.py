"""Names that a program has garbled: an unzip program, a browser, or a table in another encoding."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import unquote_to_bytes

from visionlora.text import Doubt, listed

_CODES = re.compile(r"#U([0-9a-fA-F]{4})|#L([0-9a-fA-F]{6})|\\u([0-9a-fA-F]{4})")
"""A letter as Info-ZIP or JSON writes it where it cannot: ``K#U00e4fer``."""
_OCTAL = re.compile(r"(?:\\[0-3][0-7]{2})+")
_PERCENT = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_ENTITY = re.compile(r"&(#\d+|#x[0-9a-f]+|[a-z]{2,8});", re.IGNORECASE)
_WRONG_PAGES = ("cp1252", "cp1251", "cp437", "cp850", "mac_roman", "latin-1")
"""That UTF-8 is often read in: ``KÃ¤fer``."""
_LOST = re.compile(r"\ufffd|(?<=[^\W\d_])\?(?=[^\W\d_])")
_SHOWN = 3


def repaired(name: str) -> str | None:
    """What a name was before a program garbled it; None: it looks as it should."""
    for repair in (_decoded_signs, _read_again):
        better = repair(name)
        if better != name and better.isprintable() and "/" not in better:
            return better
    return None


def describe_garbled(classes: Iterable[str]) -> list[str]:
    """A warning for class names that a program has garbled, or of which letters are lost."""
    names = sorted(classes)
    pairs = [f"{name} ({better})" for name in names if (better := repaired(name)) is not None]
    notes: list[str] = []
    if pairs:
        are = "a class name is" if len(pairs) == 1 else f"{len(pairs)} class names are"
        notes.append(
            Doubt(
                f"{are} probably garbled by an unzip program, a browser or a wrong encoding: "
                f"{listed(pairs, _SHOWN)}; rename them, or unpack or save them again as UTF-8"
            )
        )
    if lost := [name for name in names if _LOST.search(name)]:
        have = "has" if len(lost) == 1 else "have"
        notes.append(
            Doubt(f"{listed(lost, _SHOWN)} {have} lost letters of the name; rename, or unpack again")
        )
    return notes


def _decoded_signs(name: str) -> str:
    """The name with what stands for letters decoded: codes, bytes in octal or of URLs, HTML's entities."""
    if not set(name) & set("#\\%&") and not name.startswith("xn--"):
        return name
    name = _CODES.sub(lambda match: chr(min(int(next(filter(None, match.groups())), 16), 0x10FFFF)), name)
    name = _OCTAL.sub(
        lambda match: _utf8(bytes(int(one, 8) for one in match[0].split("\\")[1:]), match[0]), name
    )
    name = _PERCENT.sub(lambda match: _utf8(unquote_to_bytes(match[0]), match[0]), name)
    name = html.unescape(name) if _ENTITY.search(name) else name
    if name.startswith("xn--"):
        with suppress(UnicodeError):
            name = name.encode("ascii").decode("idna")
    return name


def _utf8(content: bytes, otherwise: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return otherwise


def _read_again(name: str) -> str:
    """The name read as UTF-8, if it is UTF-8 that was read in a code page."""
    if name.isascii():
        return name
    for page in _WRONG_PAGES:
        with suppress(UnicodeError):
            better = name.encode(page).decode("utf-8")
            others = [one for one in better if not one.isascii()]
            if others and all(unicodedata.category(one)[0] in "LM" for one in others):
                return better
    return name
