"""Images of other things in the training images' style: on them no trained name is taught."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from visionlora.data import ImageFile, scan_images
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


def contrast_anchors(job: Job, images: ImageLoaders, anchors: Sequence[Anchor]) -> list[Anchor]:
    """Images that show none of the trained classes, from ``contrast.anchors``.

    ``auto`` where the folder has few classes: drawings that ship with the project, less those whose subject
    shares a word with a trained class, and as many as ``contrast.generated`` made from the training images.

    Args:
        job: not trained yet.
        images: where image files are read.
        anchors: what the generated ones show in the training images' style; empty: generated scenes.
    """
    if job.contrast.anchors != "auto":
        others: list[Anchor] = []
        for folder in map(Path, job.contrast.anchors):
            found = scan_images([folder])
            others += found
            job.say(f"{len(found)} images of other things from {folder}")
        return others
    if len(job.folder.classes) >= MANY or not job.contrast.generated:
        return []
    drawings = drawings_of_others(job.folder.classes)
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


def drawings_of_others(classes: Sequence[str]) -> list[ImageFile]:
    """The shipped drawings whose subject shares no word with a class."""
    taken = {word for name in classes for word in _words(name)}
    return [
        image
        for image in scan_images([shipped(DRAWINGS)])
        if not taken & _words(image.path.stem.partition("-")[2])
    ]


def generated_side(job: Job) -> int:
    """Pixels a side of the images that our own code makes for a run."""
    preprocessing = job.backbone.preprocessing
    return max(preprocessing.resize, preprocessing.crop)


def _words(name: str) -> set[str]:
    return set(re.split(r"[\W_]+", name.lower())) - {""}
