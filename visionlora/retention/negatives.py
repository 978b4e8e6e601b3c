"""Images of other things in the training images' style: on them no trained name is taught."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from visionlora.data import ImageFile, scan_images
from visionlora.data.splits import folded
from visionlora.data.wordnet import are_related, meanings
from visionlora.errors import VisionLoraError
from visionlora.models import find_class
from visionlora.paths import shipped
from visionlora.retention.generated import generate_anchors
from visionlora.retention.restyle import generate_contrast
from visionlora.retention.teacher import Anchor
from visionlora.training.loaders import ImageLoaders

if TYPE_CHECKING:
    from visionlora.training.setup import Job

SCENES = 64
"""Anchors that generated images show, at most."""
MANY = 16
"""A folder of so many classes is its own contrast: an image of one is none of the others."""
DRAWINGS = "data/goldfish/contrast/anchor"
"""Drawings by the project's own code, named STYLE-SUBJECT.png."""


class Named(Protocol):
    """A network's outputs: their names and WordNet ids."""

    categories: tuple[str, ...]
    wnids: tuple[str, ...]


def contrast_anchors(job: Job, images: ImageLoaders, anchors: Sequence[Anchor]) -> list[Anchor]:
    """Images that show none of the trained classes, from ``contrast.anchors``.

    ``auto`` where the folder has few classes: drawings that ship with the project, and as many as
    ``contrast.generated`` made from the training images. Images in folders that are called like a trained
    class, a kind of it or what it is a kind of (WordNet) are left out, and drawings of such subjects.

    Args:
        job: not trained yet.
        images: where image files are read.
        anchors: what the generated ones show in the training images' style; empty: generated scenes.
    """
    classes, wnids = job.folder.classes, known_ids(job.folder.classes, job.backbone)
    if job.contrast.anchors != "auto":
        others: list[Anchor] = []
        for folder in map(Path, job.contrast.anchors):
            found, own = without_trained(scan_images([folder]), folder, classes, wnids)
            others += found
            job.say(f"{len(found)} images of other things from {folder}")
            if own:
                job.say(left_out(own, folder))
        return others
    if len(classes) >= MANY or not job.contrast.generated:
        return []
    drawings = drawings_of_others(classes, wnids)
    side = generated_side(job)
    styles = images.pixels(job.folder.train)
    scenes = images.pixels(anchors[:: -(-len(anchors) // SCENES)]) if anchors else []
    # Without a training image that can be used the run ends in a moment, with all that is wrong.
    made = generate_contrast(
        job.contrast.generated if styles else 0, side, styles, scenes or generate_anchors(SCENES, side)
    )
    job.say(
        f"{len(drawings)} drawings of other things that come with VisionLoRA, and {len(made)} made from the "
        "training images, show what must not get a new name (contrast.anchors; your own would be better)"
    )
    return [*drawings, *made]


def drawings_of_others(classes: Sequence[str], wnids: Sequence[str] = ()) -> list[ImageFile]:
    """The shipped drawings whose subject is none of the classes.

    Args:
        classes: names of the trained classes.
        wnids: the WordNet id of each class, "" where it is not known.
    """
    trained = _Trained(classes, wnids)
    drawings = scan_images([shipped(DRAWINGS)])
    return [image for image in drawings if not trained.includes(image.path.stem.partition("-")[2])]


def without_trained(
    images: Sequence[ImageFile], root: Path, classes: Sequence[str], wnids: Sequence[str] = ()
) -> tuple[list[ImageFile], list[ImageFile]]:
    """(images to use as negatives, images left out): those in folders below ``root`` that are called like a
    trained class, a kind of it, or what it is a kind of."""
    trained = _Trained(classes, wnids)
    kept: list[ImageFile] = []
    own: list[ImageFile] = []
    for image in images:
        folders = image.path.parent.relative_to(root).parts if image.path.is_relative_to(root) else ()
        (own if any(map(trained.includes, folders)) else kept).append(image)
    return kept, own


def left_out(images: Sequence[ImageFile], root: Path) -> str:
    """What to say about images that :func:`without_trained` left out."""
    folders = sorted({image.path.parent.name for image in images})
    named = ", ".join(folders[:5]) + (f" and {len(folders) - 5} more" if len(folders) > 5 else "")
    return f"{len(images)} images in {root} are left out: {named} is a trained class, or a kind of one"


def known_ids(classes: Sequence[str], network: Named) -> list[str]:
    """The WordNet id of the network's output that each class name means, "" where there is none."""
    found = []
    for name in classes:
        try:
            output = find_class(name, network.categories, network.wnids)
        except VisionLoraError:
            found.append("")
        else:
            found.append(network.wnids[output] if output < len(network.wnids) else "")
    return found


class _Trained:
    """The trained classes, to compare names with."""

    def __init__(self, classes: Sequence[str], wnids: Sequence[str]) -> None:
        self._names = {folded(name) for name in classes}
        padded = [*wnids, *[""] * (len(classes) - len(wnids))]
        self._meanings = [
            frozenset({wnid}) if wnid else meanings(name) for name, wnid in zip(classes, padded, strict=True)
        ]

    @cache  # noqa: B019 - an instance lives as long as one list is filtered
    def includes(self, name: str) -> bool:
        """Whether a thing called ``name`` is one of the classes, a kind of one, or what one is a kind of."""
        if folded(name) in self._names:
            return True
        said = meanings(name, usual=True)
        return any(are_related(said, trained) for trained in self._meanings)


def generated_side(job: Job) -> int:
    """Pixels a side of the images that our own code makes for a run."""
    preprocessing = job.backbone.preprocessing
    return max(preprocessing.resize, preprocessing.crop)
