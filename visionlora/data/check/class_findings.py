"""What may be wrong with the classes: what they mean to the network, and how many images they have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from visionlora.data.check.findings import ClassRow, Finding, Output, SeenImage
from visionlora.data.splits.make_splits import ImageFolder
from visionlora.text import counted

UNEQUAL = 5
"""Times as many images in the largest class as in the smallest."""

_MOST = 20


def unequal(counts: Mapping[str, int]) -> str | None:
    """That the largest class has many times as many images as the smallest, in words; None: it has not."""
    most, fewest = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    if counts[most] < UNEQUAL * counts[fewest]:
        return None
    return f"very unequal classes: {counts[most]} images of {most}, {counts[fewest]} of {fewest}"


def output_findings(rows: Sequence[ClassRow], images: Sequence[SeenImage]) -> list[Finding]:
    """Classes that mean another output than their images show, several outputs, or none."""
    outputs = [(row.name, row.output) for row in rows if row.output is not None]
    findings = _other_meanings(outputs, images)
    several = [(name, output) for name, output in outputs if output.status == "ambiguous"]
    if several:
        title = f"{counted(len(several), 'class means', 'classes mean')} several of the network's outputs"
        lines = [f"{name}: {output.name}" for name, output in several]
        advice = "name the folder after the WordNet id that is meant"
        findings.append(Finding("error", "output", title, advice, lines=tuple(lines)))
    by_key: dict[int, list[str]] = defaultdict(list)
    for name, output in outputs:
        if output.key is not None:
            by_key[output.key].append(name)
    for names in by_key.values():
        if len(names) > 1:
            title = f"classes {' and '.join(names)} are one output of the network"
            findings.append(Finding("error", "output", title, "put their images into one class"))
    new = [(name, output) for name, output in outputs if output.status == "new"]
    if new and len(new) < len(outputs):
        title = f"{counted(len(new), 'class is', 'classes are')} unknown to the network, the others are known"
        advice = "is one misspelt? If not: all get new outputs; model.head=extend keeps the old ones besides"
        lines = [f"{name}: {output.name}" for name, output in new]
        findings.append(Finding("warning", "output", title, advice, lines=tuple(lines)))
    return findings


def _other_meanings(outputs: Sequence[tuple[str, Output]], images: Sequence[SeenImage]) -> list[Finding]:
    """Classes whose name usually means something else than the network's output of that name."""
    doubtful = [(name, output) for name, output in outputs if output.instead_of]
    if not doubtful:
        return []
    first = {image.label: image for image in reversed(images) if image.role in ("train", "val")}
    meant = {
        name: f"{output.name} ({output.wnid}), {output.definition}; not the {output.instead_of}"
        for name, output in doubtful
    }
    title = f"{counted(len(doubtful), 'class')} may mean something else to the network"
    advice = (
        "if that is not what the images show, rename the folder (a WordNet id does, too), or train "
        "new outputs with model.head=new"
    )
    groups = [(replace(first[name], remark=f"means {meant[name]}"),) for name in meant if name in first]
    lines = [f"{name} means {text}" for name, text in meant.items()]
    return [Finding("warning", "output", title, advice, tuple(groups), tuple(lines))]


def number_findings(folder: ImageFolder, rows: Sequence[ClassRow]) -> list[Finding]:
    """No validation images, very unequal classes, classes with one image."""
    findings = []
    if not folder.val:
        title = "there are no validation images: what is learned will not be measured"
        findings.append(Finding("warning", "numbers", title, "add images to each class, or a folder val"))
    counts = {row.name: row.counts["train"] for row in rows if row.counts.get("train")}
    if len(counts) > 1:
        most, uneven = max(counts, key=counts.__getitem__), unequal(counts)
        if uneven:
            few = [name for name, count in counts.items() if count * UNEQUAL <= counts[most]]
            lines = [f"{name}: {counts[name]}" for name in (most, *few[:_MOST])]
            advice = (
                f"add images of the small classes, leave some of {most} out, or train with "
                "data.balance=true: otherwise the network learns to answer with the large ones"
            )
            findings.append(Finding("warning", "unequal", uneven, advice, lines=tuple(lines)))
    lone = [name for name, count in counts.items() if count == 1]
    if lone:
        title = (
            f"{counted(len(lone), 'class has', 'classes have')} one training image: {', '.join(lone[:_MOST])}"
        )
        findings.append(Finding("note", "numbers", title, "a few more images teach much more"))
    return findings
