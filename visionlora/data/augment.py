"""From a decoded image to what the network sees: geometry and colour an image, normalisation a batch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2

from visionlora.data.config import AugmentConfig
from visionlora.data.preprocessing import Preprocessing

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
