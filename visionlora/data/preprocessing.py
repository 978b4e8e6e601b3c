"""The input that a pretrained network expects, as its weights' metadata describes it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Preprocessing:
    """Resize the shorter side, crop the centre, scale to [0, 1], normalise.

    ``evaluation_transform`` does the geometry, ``Normalise`` the rest.

    Attributes:
        resize: pixels of the shorter side after resizing.
        crop: side of the centre crop in pixels.
        mean, std: of the red, green and blue channel, for values in [0, 1].
        interpolation: "bilinear" or "bicubic", with antialiasing.
    """

    resize: int
    crop: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str
