"""Text from outside (names of files and classes) on its way to a terminal, a table or a file."""

from __future__ import annotations

import codecs
import logging
import re
import reprlib
import shlex
import sys
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass

SAFE = "visionlora.safe"
"""The codec error handler that :func:`make_streams_safe` gives to stdout and stderr."""

# Typography of our own messages, in consoles that do not have it.
_PLAIN = {
    "·": "-", "•": "-", "–": "-", "—": "-", "…": "...", "→": "->", "←": "<-", "×": "x", "±": "+-",  # noqa: RUF001
    "≤": "<=", "≥": ">=", "‘": "'", "’": "'", "“": '"', "”": '"', "✓": "ok", "✗": "x", "│": "|",  # noqa: RUF001
    "─": "-", "━": "-", "█": "#", "╸": "-", "╺": "-", "\u00a0": " ", "▲": "^", "▼": "v",
}  # fmt: skip

# What spreadsheets take for the start of a formula (OWASP, "CSV injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001


class Doubt(str):
    """A note that a folder or a table is probably not what it was taken for: its user should look at it."""


def printable(text: object, encoding: str | None = None) -> str:
    """``text`` on one line, without control sequences for a terminal.

    Control characters (ESC, line breaks), characters that turn the direction of writing round, and bytes of a
    file name that are not UTF-8 become escapes such as ``\\x1b``. Letters of every script stay as they are.

    Args:
        text: anything; ``str`` is called on it.
        encoding: where given, characters that it lacks are replaced too: typography by its plain form, others
            by an escape.
    """
    safe = "".join(character if _harmless(character) else _escaped(character) for character in str(text))
    return safe if encoding is None else safe.encode(encoding, SAFE).decode(encoding)


def for_terminal(text: object) -> str:
    """:func:`printable` text as standard output shows it: a table's columns are as wide as what is shown."""
    return printable(text, getattr(sys.stdout, "encoding", None))


def csv_safe(value: object) -> object:
    """``value`` for a cell of a CSV file that people open in a spreadsheet.

    Text that would be run as a formula gets an apostrophe in front; numbers stay numbers. File names that are
    not UTF-8 keep their escapes, so that the file can be written.
    """
    if not isinstance(value, str):
        return value
    text = value.encode("utf-8", SAFE).decode("utf-8")
    return f"'{text}" if text.startswith(_FORMULA) else text


def brief(value: object) -> str:
    """``repr(value)`` in at most 80 letters; of a large or deep value only the beginning is read."""
    most, shortener = 80, reprlib.Repr()
    shortener.maxstring = shortener.maxother = shortener.maxlong = most
    try:
        text = shortener.repr(value)
    except Exception:  # a whole number above 4300 digits has no text, and an untrusted class any repr
        return f"a {type(value).__name__}"
    return text if len(text) <= most else f"{text[: most - 3]}..."


def listed(names: Sequence[str], most: int = 20) -> str:
    """Names from a file for a message: the first ``most`` of them, each of at most 200 letters."""
    shown = [name if len(name) <= 200 else f"{name[:197]}..." for name in names[:most]]
    return ", ".join(shown) + (f" and {len(names) - most} more" if len(names) > most else "")


def in_words(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def first_of(names: Sequence[str], most: int, more: str = "more") -> list[str]:
    """The first ``most`` names, and how many more there are: for `in_words`."""
    return [*names[:most], *([f"{len(names) - most} {more}"] if len(names) > most else [])]


def percent(share: float, digits: int = 0) -> str:
    """A share as every table, figure, page and message has it: ``95 %``."""
    return f"{100 * share:.{digits}f} %"


def without_references(text: str) -> str:
    """The text with ``${`` escaped, as OmegaConf wants it where it is no reference."""
    return re.sub(r"(\\*)\$\{", lambda match: match[1] * 2 + "\\${", text)


def counted(count: int, one: str, several: str | None = None) -> str:
    """``1 step``, ``2,000 steps``, ``2 classes``; ``several``: a plural of another kind (``images are``)."""
    plural = several or one + ("es" if one.endswith("s") else "s")
    return f"{count:,} {one if count == 1 else plural}"


def as_typed(key: str, value: str) -> str:
    """``KEY=VALUE`` as a shell takes it."""
    return shlex.quote(f"{key}={value}")


class SafeFormatter(logging.Formatter):
    """For log records on a terminal or in a file: each message is :func:`printable`.

    ``%(level)s`` is the level as all other lines of a command have it, ``warning``.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The record in the format's words, without a traceback."""
        record.message = printable(record.message)
        record.level = record.levelname.lower()
        return super().formatMessage(record)


def _harmless(character: str) -> bool:
    # Cc: control; Cf: format (direction marks; the joiners that some scripts and emoji need stay);
    # Cs: surrogates; Zl, Zp: line and paragraph separators.
    category = unicodedata.category(character)
    return category not in ("Cc", "Cf", "Cs", "Zl", "Zp") or character in "\u200c\u200d"


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, as Python keeps it (PEP 383)
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _replace(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    unwritable = error.object[error.start : error.end]
    replaced = "".join(_PLAIN.get(character, _escaped(character)) for character in unwritable)
    return replaced, error.end


codecs.register_error(SAFE, _replace)
