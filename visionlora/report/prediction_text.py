"""Where the lines of a prediction may end in a narrow table."""

from __future__ import annotations

import re
from typing import Any

from rich.console import Console
from rich.containers import Lines
from rich.text import Text

_ESCAPE = re.compile(r"\\x[0-9a-f]{2}|\\u[0-9a-f]{4}|\\U[0-9a-f]{8}|.", re.DOTALL)
"""A letter, or what stands for one that the terminal lacks."""

_KEPT = "\ue000"
"""A private character in the place of a space where no line may end."""


class PredictionText(Text):
    """Text that breaks no line before a percent sign, nor within the escape of a letter."""

    def wrap(self, console: Console, width: int, *arguments: Any, **options: Any) -> Lines:
        words = self.plain.replace(" %", f"{_KEPT}%").split(" ")
        self.plain = " ".join(_between_escapes(word, width) for word in words)
        lines = super().wrap(console, width, *arguments, **options)
        for line in lines:
            line.plain = line.plain.replace(_KEPT, " ")
        return lines


def _between_escapes(word: str, width: int) -> str:
    """A word with spaces where lines of ``width`` letters may end, if it has escapes and fits none."""
    if len(word) <= width or "\\" not in word:
        return word
    parts = [""]
    for piece in _ESCAPE.findall(word):
        if parts[-1] and len(parts[-1]) + len(piece) > width:
            parts.append("")
        parts[-1] += piece
    return " ".join(parts)
