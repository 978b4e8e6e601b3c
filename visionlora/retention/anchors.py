"""What a run keeps with, and what it measures keeping on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from visionlora.data import ImageLoader, scan_images, scan_known
from visionlora.device import choose_device
from visionlora.errors import VisionLoraError
from visionlora.kernels.decisions import cache_directory
from visionlora.models import find_class
from visionlora.retention.generated import generate_anchors
from visionlora.retention.inversion import dreamed_once
from visionlora.retention.negatives import contrast_anchors, generated_side
from visionlora.retention.teacher import FEWEST, Anchor, AnchorTeacher, hold_out
from visionlora.training.loaders import ImageLoaders

if TYPE_CHECKING:
    from visionlora.training.setup import Job


def make_teacher(job: Job, images: ImageLoaders) -> AnchorTeacher:
    """The frozen network as a teacher, on the anchors that the settings name."""
    sources = _retention_anchors(job)
    if job.retention_loader is None and job.retention.budget is not None:
        sources, held = _judges(job, sources)
        if held:
            job.held_out = images.stream([held], job.retention)
            what = (
                "generated images that are no anchors" if isinstance(held[0], Tensor) else "anchors held out"
            )
            job.say(f"{len(held)} {what} will choose the adapter's strength")
    anchors = sum(map(len, sources))
    others = contrast_anchors(job, images, [anchor for source in sources for anchor in source])
    if others:  # one source, so that it has half of a step's anchors however many folders it comes from
        sources.append(others)
    if not sources:
        raise VisionLoraError(
            "retention: there are no anchors; set retention.anchors=[FOLDER], retention.generated=N "
            "or, to train without keeping anything, retention.weight=0"
        )
    stream = images.stream(sources, job.retention)
    return AnchorTeacher(stream, len(job.backbone.categories), anchors, job.head.targets)


def _retention_anchors(job: Job) -> list[Sequence[Anchor]]:
    options, backbone = job.retention, job.backbone
    if options.anchors == "auto":
        folders = [Path(anchor) for anchor in job.data.anchors] + list(backbone.anchors)
    else:
        folders = [Path(anchor) for anchor in options.anchors]
    sources: list[Sequence[Anchor]] = [scan_images([folder]) for folder in folders]
    for folder, source in zip(folders, sources, strict=True):
        job.say(f"{len(source)} anchor images from {folder}")
    if not sources and options.generated:
        job.say(
            f"no photos as anchors (retention.anchors): {options.generated} generated images serve "
            "instead; a folder of any photos keeps much more of what the network knew"
        )
        sources.append(_generated(job))
    return sources


def _judges(job: Job, sources: list[Sequence[Anchor]]) -> tuple[list[Sequence[Anchor]], list[Anchor]]:
    """The sources without what is set aside to estimate forgetting on, and that.

    Generated anchors are not what they stand for, so some of them would say too little: on SqueezeNet
    dreams said 0.07 where photos lost 0.23 and 0.02 where they lost 0.05. Other generated images, not
    dreamed, said 0.27 and 0.09.
    """
    if not (sources and isinstance(sources[0][0], Tensor)):
        return hold_out(sources)
    count = job.retention.generated // 4
    return sources, list(generate_anchors(count, generated_side(job), seed=1)) if count >= FEWEST else []


def _generated(job: Job) -> Sequence[Tensor]:
    options, preprocessing = job.retention, job.backbone.preprocessing
    # The same ones for every seed: dreaming them takes minutes, and is kept.
    images = generate_anchors(options.generated, generated_side(job))
    if not options.dream_seconds:
        return images
    started = time.perf_counter()
    with job.console.status("the network dreams: generated images are made more like what it knows"):
        job.network.to(choose_device(job.trainer.accelerator))
        made, dreamed, kept = dreamed_once(
            job.network, images, preprocessing, len(job.backbone.categories), cache_directory(),
            job.base_fingerprint, options.dream_seconds,
        )  # fmt: skip
    how = "by an earlier run" if kept else f"in {time.perf_counter() - started:.0f} s"
    job.say(f"{dreamed} of them were made more like what the network knows, {how} (retention.dream_seconds)")
    return made


def retention_loader(job: Job, images: ImageLoaders) -> ImageLoader | None:
    """The images that forgetting is measured on; None: it is not."""
    if job.head.kind == "new":
        job.say("head new has none of the old outputs: nothing is distilled, and forgetting is not measured")
        return None
    root = job.backbone.retention_root if job.retention.root == "auto" else job.retention.root
    if root is None:
        job.say("no retention folder (retention.root): forgetting is not measured")
        return None
    known = scan_known(root)
    names = {image.label for image in known if image.label is not None}
    try:
        targets = {name: find_class(name, job.backbone.categories, job.backbone.wnids) for name in names}
    except VisionLoraError as error:
        hint = "images without class folders need no names"
        raise VisionLoraError(f"retention.root {root}: {error}; {hint}") from error
    if not names:
        job.say(
            f"{root} has no labels: how much is forgotten is estimated by the frozen network's own answers"
        )
    return images.plain(known, targets)
