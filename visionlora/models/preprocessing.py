"""From an image to what a network takes, as the weights' own metadata says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2


@dataclass(frozen=True)
class Preprocessing:
    """Resize the shorter side, crop the middle, scale to [0, 1], normalise.

    Attributes:
        resize: pixels of the shorter side after resizing.
        crop: pixels of the square that is cut from the middle.
        mean, std: of the red, green and blue channel, in units of [0, 1].
        interpolation: "bilinear" or "bicubic", with antialiasing.
    """

    resize: int
    crop: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str

    @classmethod
    def of_torchvision(cls, transforms: Any) -> Preprocessing:
        """What ``weights.transforms()`` of a torchvision classification network does."""
        return cls(
            resize=transforms.resize_size[0],
            crop=transforms.crop_size[0],
            mean=tuple(transforms.mean),
            std=tuple(transforms.std),
            interpolation=transforms.interpolation.value,
        )

    def square(self, image: Image.Image) -> Tensor:
        """The middle of an RGB image, uint8, shape (3, crop, crop)."""
        shape = v2.Compose(
            [
                v2.Resize([self.resize], InterpolationMode(self.interpolation), antialias=True),
                v2.CenterCrop([self.crop]),
                v2.PILToTensor(),
            ]
        )
        return shape(image)

    def normalised(self, images: Tensor) -> Tensor:
        """uint8 images of shape (..., 3, height, width) as the float32 numbers that the network takes."""
        return v2.functional.normalize(
            v2.functional.to_dtype(images, torch.float32, scale=True), list(self.mean), list(self.std)
        )

    def __call__(self, image: Image.Image) -> Tensor:
        """An image as a network's input, float32, shape (3, crop, crop)."""
        return self.normalised(self.square(image))
