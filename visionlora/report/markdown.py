"""Names of classes and files inside Markdown."""

from __future__ import annotations

import re

from visionlora.text import printable


def escaped(name: object) -> str:
    """A name as text: nothing in it is formatting, HTML, a link, a table's border or mathematics."""
    return re.sub(r"([\\`*_{}\[\]<>|&$~#!])", r"\\\1", printable(name))


def code(name: object) -> str:
    """A name as a code span, which may hold backticks itself (CommonMark 0.31, section 6.1)."""
    text = printable(name)
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{text}{space}{fence}"
