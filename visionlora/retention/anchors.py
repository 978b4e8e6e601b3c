"""Anchor images: what the frozen network teaches on, and what is held out to estimate forgetting."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from visionlora.data import ImageFile, ImageLoader, scan_images, scan_known
from visionlora.data.images.identity import identities
from visionlora.data.loading.loaders import ImageLoaders
from visionlora.errors import VisionLoraError, about
from visionlora.models import Backbone
from visionlora.models.automatic_rank import MANY_CLASSES
from visionlora.models.classes import outputs_of_labels
from visionlora.models.known import PHOTO_LIKE
from visionlora.models.upper_layers import multiplications
from visionlora.notices import Notices
from visionlora.paths import cache_directory
from visionlora.phases import phase
from visionlora.report.progress import progress
from visionlora.retention.anchor_folders import images_of_folders
from visionlora.retention.anchor_views import Anchor, AnchorViews
from visionlora.retention.config import RetentionConfig
from visionlora.retention.generated import generate_images
from visionlora.retention.inversion import Classifier, cached_inversion
from visionlora.retention.stream import AnchorStream
from visionlora.retention.teacher import FEWEST_HELD_OUT, hold_out
from visionlora.text import counted, in_words

HELD_OUT = "held-out anchors"
"""Where a run records which."""
Sources = list[Sequence[Anchor]]
"""Anchors by where they come from: each source gets the same share of a step."""


@dataclass(frozen=True)
class HeldOut:
    """Anchors that training does not use, to estimate forgetting on; ``kind`` says what they are."""

    anchors: Sequence[Anchor]
    kind: str


def anchor_sources(
    options: RetentionConfig,
    own_folders: Sequence[Path],
    classes: int,
    generate: Callable[[], Sequence[Tensor]],
    notices: Notices,
) -> Sources:
    """The anchors of every folder; where there is no folder, generated ones, and with many classes shipped
    ones too.

    Generated images alone are so unlike photos that 142 classes lost two to three times as many photos with
    them as with the shipped ones beside them. A single class did not gain (docs/forgetting.md).

    Args:
        options: which folders.
        own_folders: those that come with the network, for ``auto``.
        classes: how many are trained.
        generate: makes the generated ones; called only where they are needed. They come first.
        notices: where the choice is announced.
    """
    folders = list(own_folders) if options.anchors == "auto" else [Path(folder) for folder in options.anchors]
    sources: Sources = []
    for folder, images in images_of_folders("retention.anchors", folders, notices):
        sources.append(images)
        notices.say(f"{counted(len(images), 'anchor image')} from {folder}")
    return sources or _without_photos(options.generated, classes >= MANY_CLASSES, generate, notices)


def _without_photos(
    generated: int, many: bool, generate: Callable[[], Sequence[Tensor]], notices: Notices
) -> Sources:
    """Generated images, if any, and shipped ones where many classes are trained."""
    shown: Sources = [scan_images([PHOTO_LIKE])] if many else []
    counts = [f"{generated} generated images"] if generated else []
    counts += [f"{len(images)} shipped images" for images in shown]
    if counts:
        notices.say(
            f"no photos as anchors (retention.anchors): {in_words(counts)} serve instead; a folder of any "
            "photos keeps much more of what the network knew"
        )
    return [generate(), *shown] if generated else shown


@phase("generated")
def generated_anchors(
    classifier: Classifier,
    options: RetentionConfig,
    device: torch.device,
    notices: Notices,
) -> Sequence[Tensor]:
    """Generated images, uint8 (3, size, size), optimised towards the network's classes.

    Args:
        classifier: the network; it is moved to ``device`` where there is something to compute.
        options: how many images, and how many of them are optimised.
        device: where to compute.
        notices: where it is announced.
    """
    # The same images for every seed: their inversion takes minutes, and is cached.
    images = generate_images(options.generated, classifier.generated_size)
    crop, network = classifier.preprocessing.crop, classifier.network
    most = options.inverted_for(sum(multiplications(network, crop).values())) if options.inverted else 0
    if not most:
        return images
    started = time.perf_counter()
    with progress(notices.console, "model inversion: optimising generated images") as advance:
        network.to(device)
        inverted, cached = cached_inversion(classifier, images, most, cache_directory(), advance)
    how = "by an earlier run" if cached else f"in {time.perf_counter() - started:.0f} s"
    notices.say(f"{most} of them were optimised towards classes of the network, {how} (retention.inverted)")
    return inverted


def hold_out_anchors(
    sources: Sources, generated: int, size: int, notices: Notices, recorded: object = None
) -> tuple[Sources, HeldOut | None]:
    """Set anchors aside to estimate forgetting on.

    Generated anchors differ too much from photos for that. On SqueezeNet, images of model inversion estimated
    a loss of 0.07 where photos lost 0.23, and 0.02 where they lost 0.05; other generated images, without
    inversion, estimated 0.27 and 0.09. So these are made in addition.

    Args:
        sources: all anchors.
        generated: how many anchors are generated where there are no photos.
        size: pixels a side of generated images.
        notices: where it is announced.
        recorded: the paths that the run held out before it was interrupted; None: it was not.

    Returns:
        The sources without what is held out, and that; None where there are too few anchors.
    """
    if sources and isinstance(sources[0][0], Tensor):
        count = generated // 4
        held = generate_images(count, size, seed=1) if count >= FEWEST_HELD_OUT else ()
        held_out = HeldOut(held, "generated images")
        announced = "generated images that are not anchors"
    else:
        sources, anchors = _as_recorded(sources, recorded) or hold_out(sources)
        held_out = HeldOut(anchors, "anchors held out")
        announced = "anchors held out"
    if not held_out.anchors:
        return sources, None
    notices.say(f"{len(held_out.anchors)} {announced} will choose the adapter's strength")
    return sources, held_out


def without_copies(sources: Sources, held_out: Sequence[Anchor], notices: Notices) -> Sources:
    """The sources without byte copies of what is held out: training would see it.

    A source of nothing else stays as it is.

    Raises:
        BadImage: a file that cannot be read.
    """
    held = set(identities(held_out))
    kept = [
        [anchor for anchor, identity in zip(source, identities(source), strict=True) if identity not in held]
        or source
        for source in sources
    ]
    copies = sum(map(len, sources)) - sum(map(len, kept))
    if copies:
        notices.say(f"anchors left out as copies of those held out: {copies}")
    return kept


def _as_recorded(sources: Sources, recorded: object) -> tuple[Sources, list[Anchor]] | None:
    paths = set(map(str, recorded)) if isinstance(recorded, list) else set()

    def held(anchor: Anchor) -> bool:
        return isinstance(anchor, ImageFile) and place_of(anchor) in paths

    anchors = [anchor for source in sources for anchor in source if held(anchor)]
    if not anchors:  # nothing was recorded, or the images were moved: the check of the inputs says so
        return None
    return [[anchor for anchor in source if not held(anchor)] for source in sources], anchors


def place_of(image: ImageFile) -> str:
    """Where a file is, whatever folder the command is started in."""
    return os.path.abspath(image.path)  # noqa: PTH100 - links are told apart


def anchor_stream(
    sources: Sequence[Sequence[Anchor]], options: RetentionConfig, loaders: ImageLoaders, mixup: int = 0
) -> AnchorStream:
    """The endless stream of anchors, each source with the same share of a step.

    Args:
        sources: the anchors.
        options: views, and anchors in a step.
        loaders: open the image files; their preprocessing, augmentation, cache and seed are used.
        mixup: how many of the views are blended with another anchor.

    Raises:
        VisionLoraError: there are no anchors at all.
    """
    if not sources:
        raise VisionLoraError(
            "retention: there are no anchors; set retention.anchors=[FOLDER], retention.generated=N "
            "or, to train without keeping anything, retention.weight=0"
        )
    files = [anchor for source in sources for anchor in source if isinstance(anchor, ImageFile)]
    loaders.open(files, loaders.training_cache)
    views = AnchorViews(
        loaders.preprocessing, loaders.augment, loaders.training_cache, loaders.options.seed,
        flip=loaders.flip,
    )  # fmt: skip
    return AnchorStream(sources, options.per_step_for(loaders.new_images), views, options.views, mixup)


def retention_loader(
    root: str | None, backbone: Backbone, loaders: ImageLoaders, notices: Notices
) -> ImageLoader | None:
    """The images that forgetting is measured on; None: it is not measured.

    Args:
        root: their folder; ``auto``: the one that comes with the network.
        backbone: the network, whose categories name the class folders.
        loaders: makes the loader.
        notices: where it is announced if something is not measured.

    Raises:
        VisionLoraError: the network has no class of a folder's name.
    """
    folder = backbone.retention_root if root == "auto" else root
    if folder is None:
        notices.say("no retention folder (retention.root): forgetting is not measured")
        return None
    with about("retention.root"):
        images = scan_known(folder)
    try:
        targets = outputs_of_labels(images, backbone.categories, backbone.wnids)
    except VisionLoraError as error:
        hint = "images without class folders need no names"
        raise VisionLoraError(f"retention.root {folder}: {error}; {hint}") from error
    if not targets:
        notices.say(
            f"{folder} has no labels: forgetting is estimated from the frozen network's own predictions"
        )
    return loaders.plain("retention", images, targets)
