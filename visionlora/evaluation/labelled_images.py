"""The labelled images that an adapter is measured on: none that its run trained on, if there are others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from visionlora.adapters.settings import AUTO
from visionlora.data import LEFT_OUT, ImageFile, scan, without_bad
from visionlora.data.images.decode import labelled
from visionlora.data.splits.manifest import ReadImage, is_there, of_role, read_manifest, without_used
from visionlora.errors import VisionLoraError
from visionlora.evaluation.config import LabelledConfig
from visionlora.models.restore import adapter_directory


def labelled_images(
    data: LabelledConfig, adapters: Sequence[str], several: bool
) -> tuple[tuple[ImageFile, ...], str, int]:
    """The images to measure on, what they are in words, and how many were left out because the adapter's run
    trained on them.

    Of the test images of a folder with a split, else its val images, else all of it, those that the run and
    those before it did not train on, by the content of the files. Where that is none of them: all. Without a
    folder they are the images that the run itself was judged by.

    Raises:
        VisionLoraError: the data cannot be read, or an option that is not for such an adapter.
    """
    separator = data.separator if several else None
    if not several and data.separator != "auto":
        raise VisionLoraError(
            f"data.separator is {data.separator}: {adapters[0]} gives an image one label; leave it out"
        )
    manifests = [adapter_directory(adapter).parent / "images.json" for adapter in adapters]
    known = [manifest.is_file() for manifest in manifests]
    if data.root == AUTO:
        if not all(known):
            raise VisionLoraError(
                f"data.root has no value: {adapters[known.index(False)]} has no list of its run's images "
                "(images.json); give labelled images as data.root=FOLDER"
            )
        return _of_runs([image for manifest in manifests for image in read_manifest(manifest)], several)
    found = scan(data.root, class_name=data.class_name, separator=separator, class_from=data.class_from)
    candidates, words = found.judged_by()
    if not all(known):
        return candidates, f"{words}; which of them the adapter was trained on is not known", 0
    count = len(candidates)
    for manifest in manifests:
        candidates = without_bad(candidates, manifest.with_name(LEFT_OUT))
    unread = count - len(candidates)
    more = f"; left out: {unread} that its run could not read" if unread else ""
    used = [image for manifest in manifests for image in read_manifest(manifest)]
    unseen = without_used(candidates, of_role(used, "train"))
    if not unseen:
        return candidates, f"{words}{more}; THE ADAPTER WAS TRAINED ON ALL OF THEM", 0
    if len(unseen) < len(candidates):
        words = "images that the adapter was not trained on"
    words += more
    if len(without_used(unseen, of_role(used, "val"))) < len(unseen):
        words += "; validation images of its run, which chose its weights and strength, are among them"
    return unseen, words, len(candidates) - len(unseen)


def _of_runs(used: Sequence[ReadImage], several: bool) -> tuple[tuple[ImageFile, ...], str, int]:
    """The test images that are among what the adapters' runs read, else the validation images, those that are
    still there and were not trained on; the rest is as in :func:`labelled_images`."""
    judged, words = [image for image in used if image.role == "test"], "test images of its run"
    if not judged:
        judged = of_role(used, "val")
        words = "validation images of its run, which chose its weights and strength"
    if not judged:
        raise VisionLoraError(
            "data.root has no value, and the adapter's run had no validation images; give labelled images as "
            "data.root=FOLDER"
        )
    there = {image.path: image for image in judged if is_there(image)}
    if not there:
        raise VisionLoraError(
            f"data.root has no value, and the {words.split(',')[0]} are not where they were, the first: "
            f"{judged[0].path}; give labelled images as data.root=FOLDER"
        )
    images = tuple(_labelled(image, several) for image in there.values())
    if gone := len({image.path for image in judged}) - len(there):
        words += f"; not where they were: {gone}"
    unseen = without_used(images, of_role(used, "train"))
    if not unseen:
        return images, f"{words}; THE ADAPTER WAS TRAINED ON ALL OF THEM", 0
    return unseen, words, len(images) - len(unseen)


def _labelled(image: ReadImage, several: bool) -> ImageFile:
    path = Path(image.path)
    if several:
        return labelled(path, filter(None, (image.label or "").split("|")))
    return ImageFile(path, image.label)


def images_in_words(count: int, judged_on: str, left_out: int) -> str:
    """What :func:`labelled_images` found, for the terminal."""
    more = f"; left out: {left_out} that it was trained on" if left_out else ""
    words = judged_on.replace("images", "image", 1) if count == 1 else judged_on
    return f"{count:,} {words}{more}"
