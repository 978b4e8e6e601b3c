"""Images reduced to the size at which a network takes them, without PyTorch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from visionlora.data.images.preprocessing import Preprocessing

INTERPOLATIONS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def reduce(image: Image.Image, shorter_side: int, interpolation: str = "bilinear") -> Image.Image:
    """Reduce the shorter side to ``shorter_side`` pixels, as torchvision's Resize does; never enlarge."""
    shorter, longer = sorted(image.size)
    if shorter <= shorter_side:
        return image
    longer = int(shorter_side * longer / shorter)
    landscape = image.width >= image.height
    size = (longer, shorter_side) if landscape else (shorter_side, longer)
    return image.resize(size, INTERPOLATIONS[interpolation])


def evaluation_view(image: Image.Image, preprocessing: Preprocessing) -> NDArray[np.uint8] | None:
    """(crop, crop, 3): the pixels that ``evaluation_transform`` makes of the image after :func:`reduce`.

    Args:
        image: RGB, opened with ``shorter_side=preprocessing.resize``.
        preprocessing: what the network takes.

    Returns:
        None for an image that would be enlarged, which torchvision does with roundings of its own.
    """
    if min(image.size) < preprocessing.resize or preprocessing.crop > preprocessing.resize:
        return None
    reduced = reduce(image, preprocessing.resize, preprocessing.interpolation)
    crop = preprocessing.crop
    left, top = (round((side - crop) / 2) for side in reduced.size)  # as torchvision's CenterCrop
    return np.asarray(reduced.crop((left, top, left + crop, top + crop)))
