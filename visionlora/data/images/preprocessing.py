"""The input that a pretrained network expects, as its weights' metadata describes it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from visionlora.text import brief

MOST_PIXELS = 4096
"""A side of an image that a file can ask for: one image takes 200 MB in float32 then."""


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

    @classmethod
    def read(cls, values: Any) -> Preprocessing:
        """The preprocessing that a file gives, as ``dataclasses.asdict`` wrote it.

        Raises:
            ValueError: a value is missing, unknown, or not one that images can be processed with.
        """
        names = [one.name for one in fields(cls)]
        if not isinstance(values, dict) or sorted(values) != sorted(names):
            raise ValueError(f"{brief(values)} is not an object with {', '.join(names)}")
        for name in ("resize", "crop"):
            if type(values[name]) is not int or not 1 <= values[name] <= MOST_PIXELS:
                raise ValueError(
                    f"{name} is {brief(values[name])}, not a whole number from 1 to {MOST_PIXELS}"
                )
        for name in ("mean", "std"):
            numbers = values[name]
            if not (isinstance(numbers, list) and len(numbers) == 3 and all(map(_is_number, numbers))):
                raise ValueError(f"{name} is {brief(numbers)}, not three numbers")
        if min(values["std"]) <= 0:
            raise ValueError(f"std is {brief(values['std'])}, not three numbers above 0")
        if values["interpolation"] not in ("bilinear", "bicubic"):
            raise ValueError(f"interpolation is {brief(values['interpolation'])}, not bilinear or bicubic")
        given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**given)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e6
