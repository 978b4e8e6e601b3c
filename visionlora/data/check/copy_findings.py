"""Images that are there more than once, and what that means for training and for its figures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, islice

from visionlora.data.check.findings import Finding, SeenImage
from visionlora.data.copies.duplicates import MOST_MIRRORED, Comparison, alike, exact_groups
from visionlora.data.images.fingerprint import Fingerprint
from visionlora.text import counted

_LEARNED = ("train", "anchors", "negatives")
_MOST_PAIRS = 1000
_MEASURED = ("val", "test", "retention", "contrast")

# kind -> (severity of equal files, of similar images, title, advice), the worst first.
_KINDS = {
    "conflict": (
        "error", "warning", "{} under different labels",
        "keep each under the label that is right: now the network is told two things about one image",
    ),
    "turned": (
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
            members = tuple(
                sorted((images[place] for place in group), key=lambda image: (image.role, image.path))
            )
            kind = _meaning(members)
            if kind == "conflict" and not equal and _are_mirrored([(images[at], found[at]) for at in group]):
                kind = "turned"
            groups.setdefault((kind, equal), []).append(members)
    findings = []
    if len({one.digest for one in found}) > MOST_MIRRORED:
        title = f"mirrored copies were not looked for: there are more than {MOST_MIRRORED:,} images"
        findings.append(Finding("note", "mirrored", title, "check folders of fewer images to find them"))
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


def _are_mirrored(group: Sequence[tuple[SeenImage, Fingerprint]]) -> bool:
    """Whether images of one label look like those of another in a mirror alone: turn left, turn right."""
    pairs = ((a[1], b[1]) for a, b in combinations(group, 2) if a[0].label != b[0].label)
    return not any(alike(one, other) for one, other in islice(pairs, _MOST_PAIRS))


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
