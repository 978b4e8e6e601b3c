"""From a decoded image to what the network sees: geometry and colour an image, normalisation a batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2

from visionlora.data.config import AugmentConfig
from visionlora.data.files.seeds import mixed
from visionlora.data.images.preprocessing import Preprocessing

Transform = Callable[[Tensor], Tensor]


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
        steps.append(ColourJitter(config.colour_jitter))
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


class ColourJitter(torch.nn.Module):
    """Random brightness, contrast, saturation and hue: uint8 (3, H, W) to the same.

    All four are linear in the colours, so together they are one matrix and one shift (Karras et al. 2020,
    https://arxiv.org/abs/2006.06676, appendix B), with hue a rotation about the gray axis. torchvision's
    ``ColorJitter`` goes through HSV for it, which took 4.0 of the 4.3 ms that a view of 224 pixels took.

    Args:
        strength: 0 to 1. The first three factors are within ``1 - strength`` and ``1 + strength``; hue is
            turned by at most a quarter of it.
    """

    def __init__(self, strength: float) -> None:
        super().__init__()
        self.strength = strength

    def forward(self, pixels: Tensor) -> Tensor:
        """One image."""
        drawn = self.strength * (2 * torch.rand(4, dtype=torch.float64) - 1)
        brightness, contrast, saturation = (1 + drawn[:3]).tolist()
        flat = pixels.flatten(1).float()
        gray = float(_LUMA @ flat.mean(1).double())
        matrix = _rotation(math.pi / 2 * float(drawn[3])) @ _saturation(saturation)
        shift = torch.full((3, 1), (1 - contrast) * brightness * gray)
        changed = torch.addmm(shift, (contrast * brightness * matrix).float(), flat)
        return changed.round_().clamp_(0, 255).to(torch.uint8).view_as(pixels)


_LUMA = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)
"""Red, green and blue in the brightness of gray (ITU-R BT.601)."""


def _saturation(factor: float) -> Tensor:
    """Colours (3,) towards their gray: 0 is gray, 1 changes nothing. (3, 3)."""
    return factor * torch.eye(3, dtype=torch.float64) + (1 - factor) * _LUMA.expand(3, 3)


def _rotation(angle: float) -> Tensor:
    """Colours (3,) turned about the gray axis by an angle in radians (Rodrigues' formula). (3, 3)."""
    turn = torch.tensor([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], dtype=torch.float64) / math.sqrt(3)
    return torch.eye(3, dtype=torch.float64) + math.sin(angle) * turn + (1 - math.cos(angle)) * turn @ turn


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


class BatchMixing:
    """Mixes the images of a step with each other, and their labels alike: MixUp (Zhang et al. 2018,
    https://arxiv.org/abs/1710.09412) or CutMix (Yun et al. 2019, https://arxiv.org/abs/1905.04899), each in
    half of the steps where both are wanted. torchvision's own; its numbers are a function of (seed, step).

    Args:
        mixup, cutmix: alpha of the Beta distribution that the shares are drawn from; 0: not done.
        outputs: of the network.
        seed: of the run.
    """

    def __init__(self, mixup: float, cutmix: float, outputs: int, seed: int) -> None:
        kinds = [(v2.MixUp, mixup), (v2.CutMix, cutmix)]
        self._mixers = [kind(alpha=alpha, num_classes=outputs) for kind, alpha in kinds if alpha]
        self._seed = seed

    def __call__(self, images: Tensor, labels: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """The mixed images, and their labels as probabilities, float32 (images, outputs)."""
        with seeded("mix", self._seed, step):
            mixer = self._mixers[int(torch.randint(len(self._mixers), (1,)))]
            return mixer(images.clone(), labels)


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
