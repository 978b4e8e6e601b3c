"""Look at a folder before training: everything that may be wrong with it, at once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from visionlora.data.check.class_findings import number_findings, output_findings
from visionlora.data.check.copy_findings import comparisons
from visionlora.data.check.findings import (
    SEVERITIES,
    ClassRow,
    Finding,
    FolderReport,
    Output,
    SeenImage,
)
from visionlora.data.check.name_findings import name_findings
from visionlora.data.check.outliers import Stray
from visionlora.data.copies.duplicates import Comparison
from visionlora.data.images.decode import MOST_BAD, ImageFile
from visionlora.data.images.fingerprint import SIDE, Fingerprint
from visionlora.data.images.unreadable import advice_for
from visionlora.data.names.split_names import SPLITS
from visionlora.data.splits.make_splits import ImageFolder
from visionlora.lazy import garbage_kept
from visionlora.text import Doubt, counted

_GRAY = SIDE * SIDE
DARK = 24
"""Of 255: the brightest part of an image in which nothing is seen."""
TINY = 32
"""Pixels; images with a shorter side look like nothing once they are enlarged to a network's input."""
LONG = 5
"""Times as long as wide: of a longer image the square in its middle, which a network sees, is less than a
fifth."""
_STRAYS = {
    True: (
        "warning",
        "image is far from all others of its class",
        "images are far from all others of their class",
        "see whether they are mislabelled; the worst come first, nothing is removed",
    ),
    False: (
        "note",
        "image looks least like its class",
        "images look least like their class",
        "most such images are right; the worst come first, if you look for mislabelled ones",
    ),
}
"""Whether it is clear -> severity, title of one and of several, advice."""


@garbage_kept()
def inspect_folder(
    folder: ImageFolder,
    seen: Mapping[Path, Fingerprint],
    comparison: Comparison,
    *,
    problems: Sequence[str] = (),
    others: Mapping[str, Sequence[ImageFile]] | None = None,
    outputs: Mapping[str, Output] | None = None,
    strays: Sequence[Stray] = (),
) -> FolderReport:
    """Report all that may mislead a training.

    Args:
        folder: what :func:`visionlora.data.layout.folders.survey` found.
        seen: the fingerprints of all images.
        comparison: that may have compared the images already.
        problems: and what was wrong with it.
        others: ``anchors``, ``negatives``, ``retention``, ``contrast`` -> their images.
        outputs: class -> the network's output (:func:`visionlora.models.class_outputs.describe_outputs`).
        strays: of :func:`visionlora.data.check.outliers.far_from_class`, by place in (train, val, test).
    """
    files = [(split, image) for split in SPLITS for image in getattr(folder, split)]
    files += [(role, image) for role, images in (others or {}).items() for image in images]
    found = [seen[image.path] for _, image in files]
    images = [
        SeenImage(image.path, image.label, role, one.width, one.height, one.error or "")
        for (role, image), one in zip(files, found, strict=True)
    ]
    rows = _rows(folder, files, outputs or {})
    findings = [
        *(Finding("error", "layout", problem.removeprefix(f"{folder.root}: ")) for problem in problems),
        *(Finding("warning", "layout", note) for note in folder.notes if isinstance(note, Doubt)),
        *_unreadable(files, images),
        *comparisons(images, found, comparison),
        *output_findings(rows, images),
        *_strays(images, strays),
        *_contents(images, found),
        *number_findings(folder, rows),
        *name_findings(folder, images),
    ]
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return FolderReport(
        root=folder.root,
        layout=folder.layout,
        notes=tuple(note for note in folder.notes if not isinstance(note, Doubt)),
        classes=tuple(rows),
        counts=dict(Counter(image.role for image in images)),
        findings=tuple(findings),
        unreadable=tuple(image for image, one in zip(images, found, strict=True) if one.error is not None),
        given=(f"data.root={folder.root}",),
    )


def _rows(
    folder: ImageFolder, files: Sequence[tuple[str, ImageFile]], outputs: Mapping[str, Output]
) -> list[ClassRow]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for role, image in files:
        for name in image.names if role in SPLITS else ():
            counts[name][role] += 1
    names = sorted({*folder.classes, *counts})
    return [ClassRow(name, dict(counts[name]), outputs.get(name)) for name in names]


def _unreadable(files: Sequence[tuple[str, ImageFile]], images: Sequence[SeenImage]) -> list[Finding]:
    bad = [image for image in images if image.remark]
    if not bad:
        return []
    trained = [(one, seen) for (role, one), seen in zip(files, images, strict=True) if role == "train"]
    kept = [(one, seen) for one, seen in trained if not seen.remark]
    gone = sorted(
        {name for one, _ in trained for name in one.names} - {n for one, _ in kept for n in one.names}
    )
    stops = len(trained) - len(kept) > MOST_BAD * len(trained) or bool(gone)
    advice = advice_for([image.remark for image in bad])
    advice += "; training would stop" if stops else ", or train without them"
    if gone:
        advice += f": of class {gone[0]} none can be read"
    title = f"{counted(len(bad), 'image')} cannot be read"
    severity = "error" if stops else "warning"
    return [Finding(severity, "unreadable", title, advice, tuple((image,) for image in bad))]


def _contents(images: Sequence[SeenImage], found: Sequence[Fingerprint]) -> list[Finding]:
    """Images of one colour, nearly black ones, of several pages or frames, tiny ones, and long ones."""
    readable = [(image, one) for image, one in zip(images, found, strict=True) if one.error is None]
    if not readable:
        return []
    pixels = np.frombuffer(b"".join(one.thumbnail for _, one in readable), np.uint8)
    is_dark = pixels.reshape(len(readable), -1)[:, :_GRAY].max(1) < DARK
    flat = [image for image, one in readable if one.flat]
    dark = [readable[at][0] for at in np.flatnonzero(is_dark) if not readable[at][1].flat]
    first_of = [image for image, one in readable if one.several]
    tiny = [image for image, one in readable if min(one.width, one.height) < TINY and not one.flat]
    long = [
        image for image, one in readable if max(one.width, one.height) > LONG * min(one.width, one.height)
    ]
    findings = []
    for kind, which, one, several, what, advice in (
        ("blank", flat, "image shows", "images show", "a single colour", "remove them"),
        (
            "dark", dark, "image is", "images are", "nearly black",
            "scale the pixels: 12 bits saved as 16 use a sixteenth of the range, and are read so",
        ),
        (
            "pages", first_of, "image has", "images have", "several pages or frames",
            "the first one is used; save the others as files of their own if they show something else",
        ),
        (
            "tiny", tiny, "image is", "images are", f"smaller than {TINY} pixels",
            "use larger ones if there are any: thumbnails teach little",
        ),
        (
            "long", long, "image is", "images are", f"more than {LONG} times longer than wide",
            "a network sees the square in their middle; cut them into pieces, or pad them to squares",
        ),
    ):  # fmt: skip
        if which:
            title = f"{counted(len(which), one, several)} {what}"
            findings.append(Finding("warning", kind, title, advice, tuple((image,) for image in which)))
    return findings


def _strays(images: Sequence[SeenImage], strays: Sequence[Stray]) -> list[Finding]:
    """A warning for those that are clear, and a note, a list to look through, for the others."""
    findings = []
    for clear, (severity, one, several, advice) in _STRAYS.items():
        groups = [(_remarked(images[stray.place], stray),) for stray in strays if stray.clear == clear]
        if groups:
            title = counted(len(groups), one, several)
            findings.append(Finding(severity, "stray", title, advice, tuple(groups)))
    return findings


def _remarked(image: SeenImage, stray: Stray) -> SeenImage:
    remark = f"resembles {stray.nearest} more" if stray.nearest else "unlike the rest of its class"
    return replace(image, remark=remark)
