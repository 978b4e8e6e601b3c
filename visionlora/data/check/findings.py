"""What the check of a folder says: plain data, for a terminal, a page or a program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SEVERITIES = ("error", "warning", "note")
"""error: training would be stopped or misled. warning: look at it. note: good to know."""


@dataclass(frozen=True)
class SeenImage:
    """An image of the report.

    ``role`` is ``train``, ``val`` or ``test``, or what other images are used for: ``anchors``, ``negatives``,
    ``retention``, ``contrast`` (negatives to measure with). ``width`` and ``height`` are 0 where it cannot be
    read. ``remark`` says what is strange about it.
    """

    path: Path
    label: str | None
    role: str
    width: int = 0
    height: int = 0
    remark: str = ""


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
        severity: of ``SEVERITIES``.
        kind: a short name for programs, such as ``leak``.
        title: what it is, in one line.
        advice: what to do about it, in one line; "" where nothing need be done.
        groups: images that belong together, such as an image and its copies.
        lines: what is not about images, a line each; or what the images show, in words.
        similar: whether the images of a group are similar, not equal.
    """

    severity: str
    kind: str
    title: str
    advice: str = ""
    groups: tuple[tuple[SeenImage, ...], ...] = ()
    lines: tuple[str, ...] = ()
    similar: bool = False


@dataclass(frozen=True)
class Output:
    """The network's output that a class name means.

    Attributes:
        status: ``known``; ``new``, where no output has the name; ``ambiguous``, where several have it.
        name: the output's name, or why there is none.
        wnid: its WordNet id, "" where there is none.
        definition: what it shows, "" where that is not known.
        instead_of: what the name more often means: ``animal`` for the computer mouse.
        key: the output's number; None unless known.
    """

    status: str
    name: str
    wnid: str = ""
    definition: str = ""
    instead_of: str = ""
    key: int | None = None


@dataclass(frozen=True)
class ClassRow:
    """A class: its images by split, and the output that it means (None where no network was asked)."""

    name: str
    counts: Mapping[str, int]
    output: Output | None = None


@dataclass(frozen=True)
class FolderReport:
    """Everything that is known about a folder before training.

    Attributes:
        root: what was checked.
        layout: the layout that was recognised.
        notes: what was decided about it.
        classes: a row each, in sorted order.
        counts: role -> images.
        findings: the worst first.
        unreadable: images that cannot be read.
        given: the options of the command line that a training on the same folder needs, too.
    """

    root: Path
    layout: str
    notes: tuple[str, ...]
    classes: tuple[ClassRow, ...]
    counts: Mapping[str, int]
    findings: tuple[Finding, ...]
    unreadable: tuple[SeenImage, ...] = ()
    given: tuple[str, ...] = ()

    def count(self, severity: str) -> int:
        """How many findings have a severity."""
        return sum(finding.severity == severity for finding in self.findings)
