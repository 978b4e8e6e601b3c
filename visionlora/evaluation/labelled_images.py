"""The labelled images that an adapter is measured on: none that its run trained on, if there are others."""

from __future__ import annotations

from collections.abc import Sequence

from visionlora.data import LEFT_OUT, ImageFile, scan, without_bad
from visionlora.data.config import DataConfig
from visionlora.data.splits.manifest import of_role, read_manifest, without_used
from visionlora.errors import VisionLoraError
from visionlora.models.restore import adapter_directory


def labelled_images(
    data: DataConfig, adapters: Sequence[str], several: bool
) -> tuple[tuple[ImageFile, ...], str, int]:
    """The images to measure on, what they are in words, and how many were left out because the adapter's run
    trained on them.

    Of the test images of a folder with a split, else its val images, else all of it, those that the run and
    those before it did not train on, by the content of the files. Where that is none of them: all.

    Raises:
        VisionLoraError: the data cannot be read, or an option that is not for such an adapter.
    """
    separator = data.separator if several else None
    if not several and data.separator != "auto":
        raise VisionLoraError(
            f"data.separator is {data.separator}: {adapters[0]} gives an image one label; leave it out"
        )
    found = scan(data.root, class_name=data.class_name, separator=separator, class_from=data.class_from)
    candidates, words = found.judged_by()
    manifests = [adapter_directory(adapter).parent / "images.json" for adapter in adapters]
    if not all(manifest.is_file() for manifest in manifests):
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


def images_in_words(count: int, judged_on: str, left_out: int) -> str:
    """What :func:`labelled_images` found, for the terminal."""
    more = f"; left out: {left_out} that it was trained on" if left_out else ""
    words = judged_on.replace("images", "image", 1) if count == 1 else judged_on
    return f"{count:,} {words}{more}"
