"""Decode a text, whatever system wrote it: Unicode, a code page, seven bits, or UTF-8 with other lines."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass

from visionlora.data.files.code_pages import likely_page, unicode_text

_SHIFTED = re.compile(rb"\+([A-Za-z0-9+/]+)-?")
"""A piece of UTF-7 that is not ASCII."""
_SEVEN_BITS = (
    (b"\x1b$)C", "iso2022_kr", "ISO-2022-KR"),
    (b"\x1b$", "iso2022_jp_ext", "ISO-2022-JP"),
    (b"~{", "hz", "HZ"),
)
"""What switches to letters that are not ASCII -> codec, its name."""
_ALPHABETS = 0x0700
"""Above the Latin, Greek, Cyrillic, Hebrew and Arabic letters, which chance hardly makes."""


@dataclass(frozen=True)
class Decoded:
    """A text; the name of its encoding, empty for Unicode; whether another encoding is as likely."""

    text: str
    called: str = ""
    doubtful: bool = False


def decoded(content: bytes, known: Collection[str] = ()) -> Decoded:
    """A text of unknown encoding; a byte that is no letter there becomes U+FFFD.

    Args:
        content: the text.
        known: words that are expected in it, in lower case.
    """
    text = unicode_text(content)
    if text is not None:
        return _seven_bits(content) or Decoded(text)
    if b"\0" not in content and (mixed := _mixed(content)):
        return mixed
    codec, called, doubtful = likely_page(content, known=known)
    return Decoded(content.decode(codec, "replace"), called, doubtful)


def _seven_bits(content: bytes) -> Decoded | None:
    """A text of ASCII signs that stand for others (mail, old Japanese, Korean and Chinese systems)."""
    if not content.isascii():
        return None
    for mark, codec, called in _SEVEN_BITS:
        if mark in content:
            with suppress(UnicodeDecodeError):
                text = content.decode(codec)
                return None if text.isascii() else Decoded(text, called)
    words = {word for word in re.findall(rb"[^\s,;:|\t\"'<>{}]+", content) if _SHIFTED.search(word)}
    if not words or not all(map(_is_utf7, words)):
        return None
    return Decoded(content.decode("utf-7"), "UTF-7", doubtful=True)


def _is_utf7(word: bytes) -> bool:
    """Whether a word is one of letters of one alphabet in UTF-7: ``K+AOQ-fer``."""
    try:
        text = word.decode("utf-7")
    except UnicodeDecodeError:
        return False
    letters = [letter for letter in text if letter.isalpha()]
    others = [letter for letter in letters if not letter.isascii()]
    scripts = {unicodedata.name(letter, "?").partition(" ")[0] for letter in letters}
    return bool(others) and len(scripts) == 1 and all(ord(letter) < _ALPHABETS for letter in others)


def _mixed(content: bytes) -> Decoded | None:
    """A text with lines of UTF-8 and of Windows-1252 (two tables that were joined); None: it is none."""
    good: dict[int, str] = {}
    lines = content.split(b"\n")
    for number, line in enumerate(lines):
        with suppress(UnicodeDecodeError):
            good[number] = line.decode("utf-8")
    bad = b"\n".join(line for number, line in enumerate(lines) if number not in good)
    letters = {letter for line in good.values() for letter in line if not letter.isascii()}
    if not letters or not all(ord(letter) < 0x0180 and letter.isalpha() for letter in letters):
        return None
    codec, called, _ = likely_page(bad)
    if codec != "cp1252":
        return None
    text = "\n".join(good.get(number) or line.decode(codec, "replace") for number, line in enumerate(lines))
    return Decoded(text, f"UTF-8 with lines of {called}")
