"""The old and the contrast images that an adapter is measured on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from visionlora.adapters.settings import AUTO
from visionlora.data import ImageFile, scan_images, scan_known
from visionlora.data.splits.manifest import ReadImage, is_there, read_manifest, without_used
from visionlora.errors import VisionLoraError, about
from visionlora.evaluation.selected import TRAINED_ON
from visionlora.models.restore import TrainedModel, adapter_directory
from visionlora.text import counted

Images = tuple[ImageFile, ...]


def old_images(
    restored: TrainedModel, root: str | None, adapters: Sequence[str], say: Callable[[str], None]
) -> Images:
    """Images of what the network knew before; none where they measure nothing.

    Args:
        restored: the network.
        root: their folder; ``auto``: those of the adapters' runs, else the network's own; None: none.
        adapters: run folders or adapter directories.
        say: told which images of the runs these are.

    Raises:
        VisionLoraError: a folder is given and the head has none of the old outputs, or it has no images.
    """
    if restored.head.kind == "new":
        if root not in (AUTO, None):
            raise VisionLoraError("retention.root: head new has none of the old outputs; leave it out")
        return ()
    folder: str | Path | None = root
    if root == AUTO:
        if images := _of_runs(adapters, "retention", "old image", say):
            return images
        folder = restored.backbone.retention_root
    if folder is None:
        return ()
    with about("retention.root"):
        return scan_known(folder)


def contrast_images(
    restored: TrainedModel, root: str | None, adapters: Sequence[str], say: Callable[[str], None]
) -> Images:
    """Negative images to measure false positives on; none where they measure nothing.

    Args:
        restored: the network.
        root: their folder; ``auto``: those of the adapters' runs; None: none.
        adapters: run folders or adapter directories.
        say: told which images of the runs these are, or that there are none.

    Raises:
        VisionLoraError: a folder is given and every output is a trained class, or it has no images.
    """
    if restored.head.kind == "new":
        if root not in (AUTO, None):
            raise VisionLoraError(
                "contrast.root: every output of head new is a trained class, so every image would be a false "
                "positive; leave it out"
            )
        return ()
    if root is None or not restored.classes:
        return ()
    if root == AUTO:
        images = _of_runs(adapters, "contrast", "contrast image", say)
        if not images:
            say("no contrast images (contrast.root): the false-positive rate is not measured")
        return images
    with about("contrast.root"):
        return scan_images([Path(root)])


def _of_runs(adapters: Sequence[str], role: str, name: str, say: Callable[[str], None]) -> Images:
    """The images of a role that the adapters' runs were measured on: those that are still there and, unless
    that is none of them, that were not trained on."""
    manifests = [adapter_directory(adapter).parent / "images.json" for adapter in adapters]
    used = [image for manifest in manifests if manifest.is_file() for image in read_manifest(manifest)]
    named = {image.path: image for image in used if image.role == role}
    images = tuple(_file(image) for image in named.values() if is_there(image))
    unseen = without_used(images, [image for image in used if image.role in TRAINED_ON])
    gone = len(named) - len(images)
    if named and not images:
        say(f"of the {name}s of its run none is where it was, the first: {next(iter(named))}")
    elif named:
        words = f"{counted(len(unseen or images), name)} of its run"
        if not unseen:
            words += "; THE ADAPTER WAS TRAINED ON ALL OF THEM"
        elif trained := len(images) - len(unseen):
            words += f"; left out: {trained} that it was trained on"
        say(f"{words}; not where they were: {gone}" if gone else words)
    return unseen or images


def _file(image: ReadImage) -> ImageFile:
    return ImageFile(Path(image.path), image.label)
