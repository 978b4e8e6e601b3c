"""From a decoded image to what the network sees: geometry and colour an image, normalisation a batch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2

from visionlora.data.preprocessing import Preprocessing

Transform = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class AugmentConfig:
    """What happens to a training image, in this order.

    Attributes:
        crop_scale: smallest and largest share of the area that the random crop keeps.
        crop_ratio: narrowest and widest aspect ratio of the crop, before it is made square.
        horizontal_flip: probability.
        trivial: one random operation of random strength (TrivialAugmentWide, Müller and Hutter 2021).
        colour_jitter: strength for brightness, contrast and saturation, a quarter of it for hue; 0 to 1.
        grayscale: probability.
    """

    crop_scale: tuple[float, float] = (0.5, 1.0)
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    horizontal_flip: float = 0.5
    trivial: bool = False
    colour_jitter: float = 0.3
    grayscale: float = 0.0

    @property
    def nothing(self) -> bool:
        """Whether training images look as validation images do."""
        crops = self.crop_scale == (1.0, 1.0) and self.crop_ratio == (1.0, 1.0)
        chances = (self.horizontal_flip, self.colour_jitter, self.grayscale)
        return crops and not self.trivial and not any(chances)

    def __post_init__(self) -> None:
        for name in ("crop_scale", "crop_ratio"):
            pair = tuple(getattr(self, name))  # configuration files hold lists
            if len(pair) != 2 or not 0 < pair[0] <= pair[1]:
                raise ValueError(f"{name} is {list(pair)}; give two positive numbers, the smaller one first")
            object.__setattr__(self, name, pair)
        if self.crop_scale[1] > 1:
            raise ValueError(f"crop_scale is {list(self.crop_scale)}; a crop keeps at most 1.0 of the area")
        for name in ("horizontal_flip", "colour_jitter", "grayscale"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; give a number from 0 to 1")


def training_transform(config: AugmentConfig, preprocessing: Preprocessing) -> Transform:
    """The random transform: uint8 (3, H, W) to uint8 (3, crop, crop). Call it within :func:`seeded`."""
    if config.nothing:
        return evaluation_transform(preprocessing)
    interpolation = InterpolationMode(preprocessing.interpolation)
    steps: list[torch.nn.Module] = [
        v2.RandomResizedCrop(
            preprocessing.crop, config.crop_scale, config.crop_ratio, interpolation, antialias=True
        ),
        v2.RandomHorizontalFlip(config.horizontal_flip),
    ]
    if config.trivial:
        steps.append(v2.TrivialAugmentWide(interpolation=InterpolationMode.BILINEAR))
    if config.colour_jitter:
        strength = config.colour_jitter
        steps.append(v2.ColorJitter(strength, strength, strength, strength / 4))
    if config.grayscale:
        steps.append(v2.RandomGrayscale(config.grayscale))
    return v2.Compose(steps)


def evaluation_transform(preprocessing: Preprocessing) -> Transform:
    """The network's own: shorter side to ``resize``, centre crop; uint8 (3, H, W) to (3, crop, crop)."""
    interpolation = InterpolationMode(preprocessing.interpolation)
    return v2.Compose(
        [
            v2.Resize(preprocessing.resize, interpolation, antialias=True),
            v2.CenterCrop(preprocessing.crop),
        ]
    )


class Normalise:
    """A list of uint8 (3, S, S) to the network's input, float32 (B, 3, S, S), channels last in memory."""

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        # (x / 255 - mean) / std as one multiplication and one addition.
        self._scale = torch.tensor([1 / (255 * deviation) for deviation in std])
        self._shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)])

    def __call__(self, images: Sequence[Tensor]) -> Tensor:
        # Reordered while still bytes, and arithmetic on whole rows (red, green, blue, red, ...), not on
        # pixels of three numbers: a quarter of the time.
        rows = torch.stack([image.permute(1, 2, 0) for image in images]).flatten(2).float()
        pixels_a_row = rows.shape[2] // 3
        rows.mul_(self._scale.repeat(pixels_a_row)).add_(self._shift.repeat(pixels_a_row))
        return rows.unflatten(2, (-1, 3)).permute(0, 3, 1, 2)


def mixed(*parts: int | str) -> int:
    """A 63-bit seed out of numbers and words; neighbouring numbers give unrelated seeds."""
    digest = hashlib.blake2b(",".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


@contextmanager
def seeded(*parts: int | str) -> Iterator[None]:
    """Within it torch's CPU random numbers are a function of ``parts`` alone; afterwards it is as if
    nothing had been drawn.

    torchvision's transforms draw from the process's own generator, so only one thread at a time may be here.
    ``torch.manual_seed`` would not do: it seeds every accelerator too.
    """
    generator = torch.default_generator
    state = generator.get_state()
    generator.manual_seed(mixed(*parts))
    try:
        yield
    finally:
        generator.set_state(state)
