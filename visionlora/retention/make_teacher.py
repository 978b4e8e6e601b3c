"""The frozen network as a teacher on anchors and negatives, from the options of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch

from visionlora.data import ImageFile, ImageFolder
from visionlora.data.loaders import ImageLoaders
from visionlora.data.manifest import EARLIER
from visionlora.models.adapted import AdaptedNetwork
from visionlora.notices import Notices
from visionlora.retention.anchors import (
    HELD_OUT,
    HeldOut,
    anchor_sources,
    anchor_stream,
    generated_anchors,
    hold_out_anchors,
    place_of,
    without_copies,
)
from visionlora.retention.config import ContrastConfig, RetentionConfig
from visionlora.retention.inversion import Classifier
from visionlora.retention.negatives import known_ids, negative_images
from visionlora.retention.teacher import AnchorTeacher
from visionlora.run_folder.record import Record


def make_teacher(
    retention: RetentionConfig,
    contrast: ContrastConfig,
    folder: ImageFolder,
    adapted: AdaptedNetwork,
    loaders: ImageLoaders,
    device: torch.device,
    hold_out: bool,
    earlier: Sequence[ImageFile],
    record: Record,
    notices: Notices,
) -> tuple[AnchorTeacher, HeldOut | None]:
    """The teacher, and the anchors that are held out.

    Args:
        retention, contrast: which anchors and negatives.
        folder: the images to learn.
        adapted: the network.
        loaders: open the image files.
        device: where generated anchors are optimised.
        hold_out: whether anchors are held out to estimate forgetting on.
        earlier: the images that earlier runs learned: anchors too, none of which is held out.
        record: of the run.
        notices: where choices are announced.
    """
    backbone, old_outputs = adapted.backbone, adapted.old_outputs
    classifier = Classifier(adapted.network, backbone.preprocessing, old_outputs, adapted.fingerprint)
    generate = partial(generated_anchors, classifier, retention, device, notices)
    sources = anchor_sources(retention, backbone.anchors, generate, notices)
    held_out = None
    if hold_out:
        size = classifier.generated_size
        recorded = record.get(HELD_OUT)
        sources, held_out = hold_out_anchors(sources, retention.generated, size, notices, recorded)
    # As with training images: where none is usable the run is about to end.
    sources = [loaders.usable("anchor", source, loaders.training_cache) or source for source in sources]
    if held_out is not None:
        usable = loaders.usable("anchor", held_out.anchors, loaders.training_cache) or held_out.anchors
        held_out = replace(held_out, anchors=usable)
        files = [place_of(one) for one in usable if isinstance(one, ImageFile)]
        record.set(HELD_OUT, files or f"{len(usable)} {held_out.kind}")
        sources = without_copies(sources, usable, notices)
    learned = loaders.usable(EARLIER["train"], earlier, loaders.training_cache)
    sources += [learned] if learned else []
    anchors = [anchor for source in sources for anchor in source]
    wnids = known_ids(folder.classes, backbone)
    negatives = negative_images(contrast, folder.classes, wnids, folder.train, anchors, loaders, notices)
    negatives = list(loaders.usable("negative", negatives, loaders.training_cache))
    # Negatives are one source, with its share of a step, however many folders they come from.
    stream = anchor_stream([*sources, negatives] if negatives else sources, retention, loaders)
    return AnchorTeacher(stream, old_outputs, len(anchors), adapted.head.targets), held_out
