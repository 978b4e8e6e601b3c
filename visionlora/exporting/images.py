"""The images that an exported file is compared on, as it and the network take them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torchvision.transforms.v2.functional import pil_to_tensor

from visionlora.data import (
    ImageCache,
    ImageFile,
    Normalise,
    evaluation_transform,
    find_bad,
    open_image,
    refuse,
    scan_known,
)
from visionlora.data.images.preprocessing import Preprocessing
from visionlora.data.splits.manifest import earlier_images
from visionlora.errors import VisionLoraError
from visionlora.evaluation.predict import find_images
from visionlora.models.restore import adapter_directory

CALIBRATION = 256
"""Images that are enough for the ranges of activations; more than these are thinned out evenly."""


@dataclass(frozen=True)
class Batch:
    """Some images.

    Attributes:
        inputs: as the file takes them.
        normalised: as the network takes them, float32 (images, 3, crop, crop).
        labels: the class of each; None where it is not known.
    """

    inputs: Tensor
    normalised: Tensor
    labels: list[str | None]


def comparison_images(images: str | None, adapter: str) -> tuple[tuple[ImageFile, ...], str]:
    """The images to compare on, and what they are in words.

    Raises:
        VisionLoraError: none was given and the adapter's run has none, or one cannot be read.
    """
    if images is not None:
        return _named(images, "images"), images
    found = _of_run(adapter, "val")
    if not found:
        raise VisionLoraError(
            f"images: the run of {adapter} has no validation images that are still there to compare the file "
            "on; add images=FOLDER"
        )
    return found, "validation images of the run"


def calibration_images(
    images: str | None, adapter: str, compared: Sequence[ImageFile]
) -> tuple[tuple[ImageFile, ...], str]:
    """The images that set int8's ranges, at most ``CALIBRATION``, and what they are in words.

    Raises:
        VisionLoraError: there are none, or they are among those that the file is judged by.
    """
    found = _of_run(adapter, "train") if images is None else _named(images, "calibration")
    judged = {image.path.resolve() for image in compared}
    chosen = [image for image in found if image.path.resolve() not in judged]
    if not chosen:
        why = "they are the images that the file is judged by" if found else "there are none of the run"
        raise VisionLoraError(f"calibration: {why}; add calibration=FOLDER with other images like them")
    step = -(-len(chosen) // CALIBRATION)
    words = "training images of the run" if images is None else images
    return tuple(chosen[::step]), words


def _named(images: str, key: str) -> tuple[ImageFile, ...]:
    """The images of a path, with their classes where they are in class folders."""
    path = Path(images)
    folders = path.is_dir() and any(one.is_dir() for one in path.iterdir())
    found = scan_known(path) if folders else find_images(images, key)
    refuse(find_bad(found))
    return found


def _of_run(adapter: str, role: str) -> tuple[ImageFile, ...]:
    manifest = adapter_directory(adapter).parent / "images.json"
    if not manifest.is_file():
        return ()
    earlier = earlier_images(manifest)
    return earlier.val if role == "val" else earlier.train


def batches(
    images: Sequence[ImageFile], preprocessing: Preprocessing, preprocess: str, size: int = 16
) -> Iterator[Batch]:
    """The images as a file and the network take them.

    Args:
        images: which.
        preprocessing: of the network.
        preprocess: what the file does itself: none, normalise or all. With ``all`` a batch is one image,
            because only images of one size make a batch.
        size: images in a batch.
    """
    transform = evaluation_transform(preprocessing)
    normalise = Normalise(preprocessing.mean, preprocessing.std)
    cache = ImageCache(0, preprocessing.resize, preprocessing.interpolation)
    size = 1 if preprocess == "all" else size
    for start in range(0, len(images), size):
        part = images[start : start + size]
        crops = [transform(cache.read(image.path)) for image in part]
        normalised = normalise(crops).contiguous()
        inputs = {
            "none": lambda normalised=normalised: normalised,
            "normalise": lambda crops=crops: torch.stack(crops).permute(0, 2, 3, 1).contiguous(),
            "all": lambda part=part: whole(part[0].path),
        }[preprocess]()
        yield Batch(inputs, normalised, [image.label for image in part])


def whole(path: Path) -> Tensor:
    """An image as it is in its file, uint8 (1, height, width, 3)."""
    return pil_to_tensor(open_image(path)).permute(1, 2, 0)[None].contiguous()
