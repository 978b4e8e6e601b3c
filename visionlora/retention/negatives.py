"""Negative images: other things in the style of the training images, which teach no trained name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from visionlora.data import ImageFile, scan_images
from visionlora.data.loaders import ImageLoaders
from visionlora.notices import Notices
from visionlora.paths import shipped
from visionlora.retention.config import ContrastConfig
from visionlora.retention.generated import generate_images
from visionlora.retention.restyle import generate_negatives
from visionlora.retention.teacher import Anchor

MAX_SCENES = 64
"""Anchors that generated negatives show, at most."""
MANY_CLASSES = 16
"""A folder of so many classes has its own negatives: an image of one class is none of the others."""
DRAWINGS = "data/goldfish/contrast/anchor"
"""Drawings by the project's own code, named STYLE-SUBJECT.png."""


def negative_images(
    options: ContrastConfig,
    classes: Sequence[str],
    training: Sequence[ImageFile],
    anchors: Sequence[Anchor],
    loaders: ImageLoaders,
    notices: Notices,
) -> list[Anchor]:
    """Images that show none of the trained classes, from ``contrast.anchors``.

    ``auto`` where there are few classes: drawings that ship with the project, without those whose subject
    shares a word with a trained class, and as many as ``contrast.generated`` made from the training images.

    Args:
        options: which images.
        classes: the trained classes.
        training: the training images: the style of the generated ones.
        anchors: what the generated ones show in that style; empty: generated scenes.
        loaders: read the image files.
        notices: where the choice is announced.
    """
    if options.anchors != "auto":
        found: list[Anchor] = []
        for folder in map(Path, options.anchors):
            images = scan_images([folder])
            found += images
            notices.say(f"{len(images)} images of other things from {folder}")
        return found
    if len(classes) >= MANY_CLASSES or not options.generated:
        return []
    drawings = drawings_of_others(classes)
    size = max(loaders.preprocessing.resize, loaders.preprocessing.crop)
    styles = loaders.pixels(training)
    scenes = loaders.pixels(anchors[:: -(-len(anchors) // MAX_SCENES)]) if anchors else []
    # Without a readable training image the run is about to end and name everything that is wrong.
    count = options.generated if styles else 0
    generated = generate_negatives(count, size, styles, scenes or generate_images(MAX_SCENES, size))
    notices.say(
        f"{len(drawings)} drawings of other things that come with VisionLoRA, and {len(generated)} made from "
        "the training images, show what must not get a new name (contrast.anchors; your own would be better)"
    )
    return [*drawings, *generated]


def drawings_of_others(classes: Sequence[str]) -> list[ImageFile]:
    """The shipped drawings whose subject shares no word with a class."""
    taken = {word for name in classes for word in _words(name)}
    return [
        image
        for image in scan_images([shipped(DRAWINGS)])
        if not taken & _words(image.path.stem.partition("-")[2])
    ]


def _words(name: str) -> set[str]:
    return set(re.split(r"[\W_]+", name.lower())) - {""}
