"""The check of a folder on the terminal."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from visionlora.data.check.findings import ClassRow, Finding, FolderReport, SeenImage
from visionlora.paths import program
from visionlora.text import counted, for_terminal

CLASSES = 40
"""Rows of the table; where there are more, those with something to see come first."""

EXAMPLES = 3
"""Images, or lines, that a finding shows."""

_STYLES = {"error": ("✗", "bold red"), "warning": ("!", "bold yellow"), "note": ("·", "dim")}


def folder_summary(report: FolderReport) -> RenderableType:
    """What was found, the classes, and what may be wrong.

    Args:
        report: of :func:`visionlora.data.check.inspect.inspect_folder`.
    """
    parts: list[RenderableType] = [
        _found(report),
        Text(),
        classes_table(report.classes),
        Text(),
        _verdict(report),
    ]
    for finding in report.findings:
        parts.append(_finding(finding, report.root))
    return Group(*parts)


def show_summary(report: FolderReport, console: Console, page: Path | None = None) -> None:
    """Print :func:`folder_summary`, where the page is, and the commands that come next: to be copied.

    Args:
        report: of :func:`visionlora.data.check.inspect.inspect_folder`.
        console: where.
        page: where the report with images was written; None: nowhere.
    """
    console.print(folder_summary(report), highlight=False)
    console.print(Text("\nNext", style="bold underline"))
    start = program("visionlora", "visionlora")
    if page is not None:
        lines = [f"{page} shows all of this with the images"]
    else:
        lines = [shlex.join([*start, "check", *report.given, "report=check.html"])]
    for line in (*lines, shlex.join([*start, "train", *report.given])):
        console.print(Text(for_terminal(line)), soft_wrap=True, highlight=False)


def _found(report: FolderReport) -> RenderableType:
    images = sum(report.counts.values())
    splits = ", ".join(f"{role} {count:,}" for role, count in report.counts.items())
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    grid.add_row("folder", Text(for_terminal(report.root)))
    grid.add_row("layout", Text(for_terminal(report.layout)))
    grid.add_row("images", Text(f"{images:,} ({splits}) of {counted(len(report.classes), 'class')}"))
    for place, note in enumerate(report.notes):
        grid.add_row("decided" if place == 0 else "", Text(for_terminal(note), style="yellow"))
    return grid


def classes_table(rows: Sequence[ClassRow], most: int = CLASSES) -> RenderableType:
    """A row for each class: its images by split, and the network's output that its name means.

    Args:
        rows: the classes.
        most: rows of the table; where there are more classes, those with something to see come first.
    """
    roles = [role for role in ("train", "val", "test") if any(row.counts.get(role) for row in rows)]
    asked = any(row.output for row in rows)
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("class", overflow="fold")
    for role in roles:
        table.add_column(role, justify="right")
    if asked:
        table.add_column("the network's output", overflow="fold")
    shown = rows if len(rows) <= most else sorted(rows, key=lambda row: not _is_doubtful(row))[:most]
    for row in shown:
        counts = [str(row.counts.get(role, 0) or "-") for role in roles]
        table.add_row(Text(for_terminal(row.name)), *counts, *([_output(row)] if asked else []))
    if len(rows) > len(shown):
        return Group(table, Text(f"and {counted(len(rows) - len(shown), 'more class')}", style="dim"))
    return table


def _is_doubtful(row: ClassRow) -> bool:
    return row.output is not None and (row.output.status == "ambiguous" or bool(row.output.instead_of))


def _output(row: ClassRow) -> Text:
    output = row.output
    if output is None:
        return Text()
    if output.status == "ambiguous":
        return Text(f"several: {for_terminal(output.name)}", style="red")
    if output.status == "new":
        return Text(for_terminal(output.name), style="dim")
    text = Text(for_terminal(output.name))
    if output.wnid:
        text.append(f" ({output.wnid})", style="dim")
    if output.instead_of:
        text.append(f", not the {output.instead_of}", style="bold yellow")
    return text


def _verdict(report: FolderReport) -> Text:
    counts = [(report.count(severity), severity) for severity in ("error", "warning", "note")]
    said = [f"{count} {severity}{'' if count == 1 else 's'}" for count, severity in counts if count]
    if not said:
        return Text("nothing wrong was found", style="bold green")
    style = "bold red" if counts[0][0] else "bold yellow" if counts[1][0] else "bold"
    return Text(", ".join(said), style=style)


def _finding(finding: Finding, root: Path) -> RenderableType:
    sign, style = _STYLES[finding.severity]
    title = Text(f"{sign} ", style=style)
    title.append(for_terminal(finding.title), style="" if finding.severity == "note" else "bold")
    below = [Text(line, style="dim", overflow="fold") for line in _examples(finding, root)]
    if finding.advice:
        below.append(Text(for_terminal(finding.advice)))
    return Group(title, *(Padding(line, (0, 0, 0, 4)) for line in below))


def _examples(finding: Finding, root: Path) -> Iterator[str]:
    entries = [for_terminal(line) for line in finding.lines] or [
        (" ~ " if finding.similar else " = ").join(_image(image, root) for image in group[:EXAMPLES])
        + _more(group)
        for group in finding.groups
    ]
    yield from entries[:EXAMPLES]
    if len(entries) > EXAMPLES:
        yield f"and {len(entries) - EXAMPLES:,} more"


def _more(group: Sequence[SeenImage]) -> str:
    return f" and {len(group) - EXAMPLES} more" if len(group) > EXAMPLES else ""


def _image(image: SeenImage, root: Path) -> str:
    top = root if root.is_dir() else root.parent
    path = image.path.relative_to(top) if image.path.is_relative_to(top) else image.path
    return for_terminal(path) + (f": {for_terminal(image.remark)}" if image.remark else "")
