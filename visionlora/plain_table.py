"""Tables of the terminal, without lines."""

from __future__ import annotations

from rich.console import Console, RenderableType
from rich.table import Table

USUAL_WIDTH = 80
"""Characters of a line that tables are made for: there nothing is cut off."""


def plain_table(title: str | None = None, gap: int = 2) -> Table:
    """A table without lines, which fits 80 characters where one with lines would not.

    Args:
        title: above it, no wider than the table; None: there is none.
        gap: spaces between two columns.
    """
    return Table(
        title=title, title_justify="left", caption_justify="left", header_style="bold", box=None,
        pad_edge=False, padding=(0, gap, 0, 0),
    )  # fmt: skip


def show(table: RenderableType, console: Console | None = None) -> None:
    """Print a table. In a terminal that is too narrow for its words and figures the lines run over, because a
    figure that is cut off is lost, or another one."""
    console = console or Console()
    own = width = console.width
    if own < USUAL_WIDTH:
        whole = _letters(table, console, 2 * USUAL_WIDTH)
        while width < 2 * USUAL_WIDTH and _letters(table, console, width) < whole:
            width += 1
    try:
        console.width = width
        console.print(table, crop=False)
    finally:
        console.width = own


def _letters(table: RenderableType, console: Console, width: int) -> int:
    """How many letters are seen; rich cuts words off, with an ellipsis, and leaves out whole columns."""
    lines = console.render_lines(table, console.options.update(width=width), pad=False)
    seen = "".join(segment.text for line in lines for segment in line)
    return sum(not letter.isspace() and letter != "…" for letter in seen)
