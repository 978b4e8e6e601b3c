"""A table of the terminal without lines."""

from __future__ import annotations

from rich.table import Table


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
