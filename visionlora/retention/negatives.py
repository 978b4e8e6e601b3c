"""Negative images: other things in the style of the training images, which teach no trained name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from visionlora.data import ImageFile, ImageLoader, scan_images
from visionlora.data.loading.loaders import ImageLoaders
from visionlora.data.names.spellings import folded
from visionlora.data.names.wordnet import are_related, meanings
from visionlora.errors import VisionLoraError, about
from visionlora.models import Backbone, find_class
from visionlora.models.automatic_rank import MANY_CLASSES
from visionlora.notices import Notices
from visionlora.paths import shipped
from visionlora.retention.anchor_folders import images_of_folders
from visionlora.retention.anchor_views import Anchor
from visionlora.retention.config import ContrastConfig
from visionlora.retention.generated import generate_images
from visionlora.retention.restyle import generate_negatives
from visionlora.text import counted

MAX_SCENES = 64
"""Anchors that generated negatives show, at most."""
DRAWINGS = "data/goldfish/contrast/anchor"
"""Drawings by the project's own code, named STYLE-SUBJECT.png."""
Trained = Mapping[str, str]
"""The trained classes, each with its WordNet id, "" where it is not known (:func:`with_ids`)."""


def contrast_loader(root: str | None, loaders: ImageLoaders, notices: Notices) -> ImageLoader | None:
    """Images of other things in the new style, to measure false positives on; None: they are not measured."""
    if root is None:
        notices.say("no contrast folder (contrast.root): the false-positive rate is not measured")
        return None
    with about("contrast.root"):
        images = scan_images([Path(root)])
    return loaders.plain("contrast", images)


def negative_images(
    options: ContrastConfig,
    classes: Trained,
    training: Sequence[ImageFile],
    anchors: Sequence[Anchor],
    loaders: ImageLoaders,
    notices: Notices,
) -> list[Anchor]:
    """Images that show none of the trained classes, from ``contrast.anchors``.

    ``auto`` where there are few classes: drawings that ship with the project, and as many as
    ``contrast.generated`` made from the training images. Images in folders that are called like a trained
    class, a kind of it or what it is a kind of (WordNet) are left out, and drawings of such subjects.

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
        folders = map(Path, options.anchors)
        for folder, images in images_of_folders("contrast.anchors", folders, notices):
            others, own = without_trained(images, folder, classes)
            found += others
            notices.say(f"{counted(len(others), 'negative image')} from {folder}")
            if own:
                notices.say(left_out(own, folder))
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
        f"negatives: {len(drawings)} drawings of other things that come with VisionLoRA, {len(generated)} "
        "images made from the training images (contrast.anchors; your own images would be better)"
    )
    return [*drawings, *generated]


def drawings_of_others(classes: Trained) -> list[ImageFile]:
    """The shipped drawings whose subject is none of the classes."""
    trained = _Names(classes)
    drawings = scan_images([shipped(DRAWINGS)])
    return [image for image in drawings if not trained.includes(image.path.stem.partition("-")[2])]


def without_trained(
    images: Sequence[ImageFile], root: Path, classes: Trained
) -> tuple[list[ImageFile], dict[ImageFile, str]]:
    """(images to use as negatives, images left out): those in folders below ``root`` that are called like a
    trained class, a kind of it, or what it is a kind of, each with the name of that folder."""
    trained = _Names(classes)
    kept: list[ImageFile] = []
    own: dict[ImageFile, str] = {}
    for image in images:
        folders = image.path.parent.relative_to(root).parts if image.path.is_relative_to(root) else ()
        name = next(filter(trained.includes, folders), None)
        if name is None:
            kept.append(image)
        else:
            own[image] = name
    return kept, own


def left_out(images: Mapping[ImageFile, str], root: Path) -> str:
    """What to say about images that :func:`without_trained` left out."""
    folders = sorted(set(images.values()))
    named = ", ".join(folders[:5]) + (f" and {len(folders) - 5} more" if len(folders) > 5 else "")
    return f"left out {counted(len(images), 'image')} in {root}: {named} is a trained class, or a kind of one"


def with_ids(classes: Sequence[str], network: Backbone) -> Trained:
    """The classes, each with the WordNet id of the network's output that its name means."""
    found = {}
    for name in classes:
        try:
            output = find_class(name, network.categories, network.wnids)
        except VisionLoraError:
            found[name] = ""
        else:
            found[name] = network.wnids[output] if output < len(network.wnids) else ""
    return found


class _Names:
    """The names of the trained classes, to compare others with."""

    def __init__(self, classes: Trained) -> None:
        self._names = {folded(name) for name in classes}
        self._meanings = [frozenset({wnid}) if wnid else meanings(name) for name, wnid in classes.items()]

    @cache  # noqa: B019 - an instance lives as long as one list is filtered
    def includes(self, name: str) -> bool:
        """Whether a thing called ``name`` is one of the classes, a kind of one, or what one is a kind of."""
        if folded(name) in self._names:
            return True
        said = meanings(name, usual=True)
        return any(are_related(said, trained) for trained in self._meanings)
