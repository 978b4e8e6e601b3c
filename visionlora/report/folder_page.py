"""The check of a folder as one HTML file with everything in it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from visionlora.data.check.findings import ClassRow, Finding, FolderReport, SeenImage
from visionlora.data.splits.make_splits import ImageFolder
from visionlora.files import replacing
from visionlora.report.html import frame as _frame
from visionlora.report.html import page as _page
from visionlora.report.html import path as _path
from visionlora.report.html import styles, table
from visionlora.report.html import text as _text
from visionlora.report.html import thumbnails as _thumbnails
from visionlora.text import counted

GROUPS = 24
"""Groups of images that a finding shows; it counts the others."""

MEMBERS = 6
"""Images of a group that are shown."""

CLASSES = 200
"""Rows of the table of classes; those with something to see come first where there are more."""

_EXAMPLES = 3
_SIDE = 176
_SMALL = 64
_WIDE = 3
"""Figures that need the whole width."""

_NOTHING = "Nothing: no duplicates, no unreadable images, no doubtful names."


def write_folder_page(report: FolderReport, folder: ImageFolder, path: Path) -> None:
    """Write the report to ``path``; thumbnails are in the file, so it can be sent to anybody."""
    page = _Page(report, folder)
    with replacing(path) as beside:
        beside.write_text(page.html(), encoding="utf-8")


class _Page:
    def __init__(self, report: FolderReport, folder: ImageFolder) -> None:
        self.report = report
        self.rows = _worth_seeing(report.classes)
        self.examples = _examples(folder, {row.name for row in self.rows})
        small = [path for paths in self.examples.values() for path in paths]
        large = [
            image.path
            for finding in report.findings
            for group in finding.groups[:GROUPS]
            for image in group[:MEMBERS]
        ]
        self.large = _thumbnails(large, _SIDE)
        self.small = _thumbnails(small, _SMALL)

    def html(self) -> str:
        report = self.report
        name = _text(Path(report.root).name or report.root)
        found = "".join(self._finding(finding) for finding in report.findings)
        found = f"<div class=findings>{found}</div>" if found else f"<p class=quiet>{_NOTHING}</p>"
        decided = "".join(f"<li>{_text(note)}</li>" for note in report.notes)
        command = _text(shlex.join(report.given))
        body = (
            f"<h1><bdi>{name}</bdi></h1>"
            f"<p class=layout><b>{_text(report.layout)}</b> &middot; <bdi>{_text(report.root)}</bdi></p>"
            f"{f'<ul class=decided>{decided}</ul>' if decided else ''}{self._totals()}"
            f"<h2>What was found</h2>{found}<h2>Classes</h2>{self._classes()}"
            f"<footer>Nothing was changed or removed. "
            f"Train with <code>visionlora train {command}</code></footer>"
        )
        return _page(f"{name}: check", styles("folder_page.css"), body)

    def _totals(self) -> str:
        report = self.report
        shown = [(f"{count:,}", role, "") for role, count in report.counts.items()]
        shown.insert(0, (f"{len(report.classes):,}", "class" if len(report.classes) == 1 else "classes", ""))
        errors, warnings = report.count("error"), report.count("warning")
        if errors:
            shown.append((str(errors), "error" if errors == 1 else "errors", "error"))
        if warnings:
            shown.append((str(warnings), "warning" if warnings == 1 else "warnings", "warning"))
        if not errors and not warnings:
            shown.append(("✓", "nothing wrong", "good"))
        boxes = "".join(
            f"<div class='total {kind}'><b>{count}</b><span>{what}</span></div>"
            for count, what, kind in shown
        )
        return f"<div class=totals>{boxes}</div>"

    def _finding(self, finding: Finding) -> str:
        groups = "".join(self._group(finding, group) for group in finding.groups[:GROUPS])
        wide = " wide" if sum(map(len, finding.groups)) > (1 if finding.kind == "stray" else _WIDE) else ""
        if len(finding.groups) > GROUPS:
            groups += f"<span class=more>and {len(finding.groups) - GROUPS} more</span>"
        lines = "".join(f"<li><bdi>{_text(line)}</bdi></li>" for line in finding.lines[:GROUPS] if not groups)
        return (
            f"<section class='finding {finding.severity}{wide}'><h3><span class=tag>{finding.severity}</span>"
            f"<span>{_text(finding.title)}</span></h3>"
            f"{f'<p class=advice>{_text(finding.advice)}</p>' if finding.advice else ''}"
            f"{f'<ul class=lines>{lines}</ul>' if lines else ''}"
            f"{f'<div class=groups>{groups}</div>' if groups else ''}</section>"
        )

    def _group(self, finding: Finding, group: Sequence[SeenImage]) -> str:
        sign = "&#8776;" if finding.similar else "="
        joined = f"<span class=same>{sign}</span>".join(self._figure(image) for image in group[:MEMBERS])
        if finding.kind == "stray":
            joined += self._others(group[0])
        more = f"<span class=more>and {len(group) - MEMBERS} more</span>" if len(group) > MEMBERS else ""
        return f"<div class=group>{joined}{more}</div>"

    def _others(self, image: SeenImage) -> str:
        """What else is in the class of an image that may not belong there."""
        paths = [path for path in self.examples.get(image.label or "", ()) if path != image.path][:_EXAMPLES]
        frames = "".join(_frame(self.small.get(path)) for path in paths)
        return (
            f"<div class=others>{frames}<span>others of <b><bdi>{_text(image.label)}</bdi></b></span></div>"
        )

    def _figure(self, image: SeenImage) -> str:
        size = f" &middot; {image.width}&nbsp;&times;&nbsp;{image.height}" if image.width else ""
        label = f" <b><bdi>{_text(image.label)}</bdi></b>" if image.label else ""
        remark = f"<span class=remark>{_text(image.remark)}</span>" if image.remark else ""
        return (
            f"<figure>{_frame(self.large.get(image.path))}<figcaption>"
            f"<span class='role {image.role}'>{image.role}</span>{label}{remark}<span class=file>"
            f"<bdi>{_path(_below(image.path, self.report.root))}</bdi>{size}</span></figcaption></figure>"
        )

    def _classes(self) -> str:
        most = max((sum(row.counts.values()) for row in self.report.classes), default=1) or 1
        asked = any(row.output for row in self.rows)
        body = "".join(self._row(row, most, asked) for row in self.rows)
        left = len(self.report.classes) - len(self.rows)
        more = f"<p class=quiet>and {counted(left, 'more class')} with nothing to see</p>" if left else ""
        head = ("class", "", "images", *(["what it means to the network"] if asked else []))
        return table(head, body, "classes") + more

    def _row(self, row: ClassRow, most: int, asked: bool) -> str:
        bars = "".join(
            f"<i class={role} style='width:{100 * count / most:.1f}%'></i>"
            for role, count in row.counts.items()
        )
        counts = " &middot; ".join(f"{count} {role}" for role, count in row.counts.items())
        thumbs = "".join(_frame(self.small.get(path)) for path in self.examples.get(row.name, ())[:_EXAMPLES])
        output = f"<td>{_output(row)}</td>" if asked else ""
        return (
            f"<tr class='{_severity(row)}'><td class=name><bdi>{_text(row.name)}</bdi></td>"
            f"<td class=thumbs>{thumbs}</td>"
            f"<td><div class=bar>{bars}</div><div class=counts>{counts}</div></td>{output}</tr>"
        )


def _output(row: ClassRow) -> str:
    output = row.output
    if output is None:
        return ""
    if output.status != "known":
        what = "several outputs: " if output.status == "ambiguous" else ""
        return f"<span class={'not' if what else 'quiet'}>{what}{_text(output.name)}</span>"
    wnid = f" <code>{_text(output.wnid)}</code>" if output.wnid else ""
    instead = f" <span class=not>not the {_text(output.instead_of)}</span>" if output.instead_of else ""
    definition = f"<span class=definition>{_text(output.definition)}</span>" if output.definition else ""
    return f"{_text(output.name)}{wnid}{instead}{definition}"


def _severity(row: ClassRow) -> str:
    if row.output is None:
        return ""
    return "error" if row.output.status == "ambiguous" else "warning" if row.output.instead_of else ""


def _worth_seeing(rows: Sequence[ClassRow]) -> list[ClassRow]:
    if len(rows) <= CLASSES:
        return list(rows)
    return sorted(rows, key=lambda row: not _severity(row))[:CLASSES]


def _examples(folder: ImageFolder, classes: set[str]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for image in (*folder.train, *folder.val, *folder.test):
        if image.label in classes and len(found.setdefault(image.label or "", [])) <= _EXAMPLES:
            found[image.label or ""].append(image.path)
    return found


def _below(path: Path, root: Path) -> str:
    top = root if root.is_dir() else root.parent
    return path.relative_to(top).as_posix() if path.is_relative_to(top) else str(path)
