"""The frozen network as a teacher on anchors and negatives, from the options of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch

from visionlora.data import ImageFile, ImageFolder
from visionlora.data.loading.loaders import ImageLoaders
from visionlora.models import Backbone
from visionlora.models.adapted import AdaptedNetwork
from visionlora.notices import Notices
from visionlora.retention.anchor_views import Anchor
from visionlora.retention.anchors import (
    HELD_OUT,
    HeldOut,
    Sources,
    anchor_sources,
    anchor_stream,
    generated_anchors,
    hold_out_anchors,
    place_of,
    without_copies,
)
from visionlora.retention.config import ContrastConfig, RetentionConfig
from visionlora.retention.inversion import Classifier
from visionlora.retention.negatives import negative_images, with_ids
from visionlora.retention.teacher import AnchorTeacher
from visionlora.run_folder.record import Record


def find_anchors(
    options: RetentionConfig,
    adapted: AdaptedNetwork,
    loaders: ImageLoaders,
    device: torch.device,
    held_out_in: Record | None,
    notices: Notices,
) -> tuple[Sources, HeldOut | None]:
    """The anchors that can be read, by source, and those that are held out to estimate forgetting on.

    Args:
        options: which anchors.
        adapted: the network.
        loaders: open the image files.
        device: where generated anchors are optimised.
        held_out_in: the run's record, which lists the held-out anchors; None: none are held out.
        notices: where choices are announced.
    """
    backbone, cache = adapted.backbone, loaders.training_cache
    classifier = Classifier(adapted.network, backbone.preprocessing, adapted.old_outputs, adapted.fingerprint)
    generate = partial(generated_anchors, classifier, options, device, notices)
    sources = anchor_sources(options, backbone.anchors, len(adapted.classes), generate, notices)
    held_out = None
    if held_out_in is not None:
        size = classifier.generated_size
        recorded = held_out_in.get(HELD_OUT)
        sources, held_out = hold_out_anchors(sources, options.generated, size, notices, recorded)
    # As with training images: where none is usable the run is about to end.
    sources = [loaders.usable("anchor", source, cache) or source for source in sources]
    if held_out_in is None or held_out is None:
        return sources, None
    usable = loaders.usable("anchor", held_out.anchors, cache) or held_out.anchors
    files = [place_of(one) for one in usable if isinstance(one, ImageFile)]
    held_out_in.set(HELD_OUT, files or f"{len(usable)} {held_out.kind}")
    return without_copies(sources, usable, notices), replace(held_out, anchors=usable)


def find_negatives(
    options: ContrastConfig,
    folder: ImageFolder,
    sources: Sources,
    backbone: Backbone,
    loaders: ImageLoaders,
    notices: Notices,
) -> list[Anchor]:
    """The negatives that can be read.

    Args:
        options: which negatives.
        folder: the images to learn.
        sources: the anchors (:func:`find_anchors`), which generated negatives show.
        backbone: the network, which knows what class names mean.
        loaders: open the image files.
        notices: where choices are announced.
    """
    anchors = [anchor for source in sources for anchor in source]
    classes = with_ids(folder.classes, backbone)
    negatives = negative_images(options, classes, folder.train, anchors, loaders, notices)
    return list(loaders.usable("negative", negatives, loaders.training_cache))


def make_teacher(
    options: RetentionConfig,
    sources: Sources,
    negatives: Sequence[Anchor],
    adapted: AdaptedNetwork,
    loaders: ImageLoaders,
) -> AnchorTeacher:
    """The frozen network on anchors and negatives.

    Args:
        options: how many of them are in a step, and their views.
        sources: the anchors (:func:`find_anchors`).
        negatives: of :func:`find_negatives`.
        adapted: the network.
        loaders: open the image files.
    """
    # Negatives are one source, with its share of a step, however many folders they come from.
    targets = adapted.head.targets
    every = [*sources, negatives] if negatives else sources
    stream = anchor_stream(every, options, loaders, options.blended_views(len(targets)))
    anchors = sum(map(len, sources))
    return AnchorTeacher(stream, adapted.old_outputs, anchors, targets)
