"""Images that are there more than once, and what that means for training and for its figures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from visionlora.data.check.findings import Finding, SeenImage
from visionlora.data.copies.duplicates import MOST_BORDERED, MOST_TURNED, Comparison, alike, exact_groups
from visionlora.data.images.fingerprint import Fingerprint
from visionlora.text import counted

_LEARNED = ("train", "anchors", "negatives")
_MOST = 50
"""Images of a group that are compared once more."""
_MEASURED = ("val", "test", "retention", "contrast")

# kind -> (severity of equal files, of similar images, title, advice), the worst first.
_KINDS = {
    "conflict": (
        "error", "warning", "{} under different labels",
        "keep each under the label that is right: now the network is told two things about one image",
    ),
    "mirrored": (
        "warning", "warning", "{} mirrored under different labels",
        "keep each under the label that is right; if left and right are different classes, train with "
        "augment.horizontal_flip=0: training mirrors images at random",
    ),
    "opposed": (
        "error", "warning", "{} both trained as a class and used as negatives",
        "remove them from the negatives: there the network is taught that they show no class",
    ),
    "leak": (
        "error", "warning", "{} both trained on and validated on",
        "remove them from one side: validation would report what was memorised",
    ),
    "measured": (
        "error", "warning", "{} both trained on and measured on",
        "remove them from one side: retention and contrast would be measured on what is trained with",
    ),
    "reused": ("warning", "note", "{} used for two purposes", "remove them from one of them"),
    "repeated": ("note", "note", "{} more than once in one class", "keep one of each, or all on purpose"),
}  # fmt: skip


def comparisons(
    images: Sequence[SeenImage], found: Sequence[Fingerprint], comparison: Comparison
) -> list[Finding]:
    """Findings about equal and similar images, each group under the worst thing that it means."""
    groups: dict[tuple[str, bool], list[tuple[SeenImage, ...]]] = {}
    for equal, places in ((True, exact_groups(found)), (False, comparison(found))):
        for group in places:
            for kind, some in _meanings([(images[place], found[place]) for place in group], equal):
                groups.setdefault((kind, equal), []).append(tuple(some))
    findings = []
    count = len({one.digest for one in found})
    if count > MOST_BORDERED:
        what, most = "copies with a border", MOST_BORDERED
        if count > MOST_TURNED:
            what, most = "copies that are mirrored, turned or have a border", MOST_TURNED
        title = f"{what} were not looked for: there are more than {most:,} images"
        findings.append(Finding("note", "turned", title, "check folders of fewer images to find them"))
    for kind, (severity, milder, title, advice) in _KINDS.items():
        for equal in (True, False):
            chosen = groups.get((kind, equal), [])
            if chosen:
                words = ("image is", "images are")
                if not equal:
                    words = ("group of similar images is", "groups of similar images are")
                findings.append(
                    Finding(
                        severity if equal else milder,
                        kind,
                        title.format(counted(len(chosen), *words)),
                        advice,
                        tuple(chosen),
                        similar=not equal,
                    )
                )
    return findings


def _meanings(
    group: Sequence[tuple[SeenImage, Fingerprint]], equal: bool
) -> list[tuple[str, list[SeenImage]]]:
    """(meaning, images) of a group of equal or of similar images, which may be several groups."""
    members = sorted((image for image, _ in group), key=lambda image: (image.role, image.path))
    kind = _meaning(members)
    if kind == "conflict" and not equal:
        kind = _conflict(group)
    if kind:
        return [(kind, members)]
    # Turned images of several labels may be right; those of one label are still one image.
    by_label: dict[str | None, list[SeenImage]] = {}
    for image in members:
        by_label.setdefault(image.label, []).append(image)
    return [(_meaning(some), some) for some in by_label.values() if len(some) > 1]


def _conflict(group: Sequence[tuple[SeenImage, Fingerprint]]) -> str:
    """What it means that similar images have several labels: "conflict"; "mirrored" where those of one label
    look like those of another in a mirror alone (turn left, turn right), as training shows them, too; ""
    where they are turned, which training does not do (6 and 9)."""
    pairs = [(a[1], b[1]) for a, b in combinations(group[:_MOST], 2) if a[0].label != b[0].label]
    if any(alike(one, other) for one, other in pairs):
        return "conflict"
    return "mirrored" if any(alike(one, other, mirrored=True) for one, other in pairs) else ""


def _meaning(group: Sequence[SeenImage]) -> str:
    """What it means that these are one image: a key of ``_KINDS``."""
    roles = {image.role for image in group}
    labelled = [image for image in group if image.role in ("train", "val", "test")]
    if len({image.label for image in labelled}) > 1:
        return "conflict"
    if roles & {"negatives", "contrast"} and labelled:
        return "opposed"
    if "train" in roles and roles & {"val", "test"}:
        return "leak"
    if roles & set(_LEARNED) and roles & set(_MEASURED):
        return "measured"
    return "reused" if len(roles) > 1 else "repeated"
