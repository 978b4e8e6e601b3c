"""Model inversion: generated images, optimised by the frozen network towards its own classes.

Where there are no photos, the frozen network can show what its classes are: an image is changed, in coarse
colours and shapes, until the network takes it for a class drawn at random. That is the optimisation of
Yin et al. 2020 (https://arxiv.org/abs/1912.08857, equation 2) without the statistics of batch norm, which
many networks lack, started from an image with natural statistics instead of noise, and over a pyramid of
coarse images instead of pixels, which keeps it smooth.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from visionlora.adapters import adapters_off
from visionlora.data.files.seeds import mixed
from visionlora.data.images.preprocessing import Preprocessing
from visionlora.device import has_bfloat16
from visionlora.files import replacing
from visionlora.report.progress import Advance

VERSION = 4
STEPS = 24
BATCH = 16
LEVELS = (16, 8, 4, 2)
"""Pixels a side for each pixel of the coarse images that are added up."""
LR = 0.06
TOTAL_VARIATION_WEIGHT = 2.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Classifier:
    """The network that images are optimised for.

    Attributes:
        network: adapted, in eval mode: images (n, 3, crop, crop) to logits. Its adapters are switched off.
        preprocessing: the network's crop and normalisation.
        outputs: how many of its outputs, from the first, are classes to optimise towards.
        fingerprint: of the network's weights.
    """

    network: nn.Module
    preprocessing: Preprocessing
    outputs: int
    fingerprint: str = ""

    @property
    def generated_size(self) -> int:
        """Pixels a side of the images that our own code generates for this network."""
        return max(self.preprocessing.resize, self.preprocessing.crop)


def invert(
    classifier: Classifier,
    images: Sequence[Tensor],
    most: int | None = None,
    advance: Advance | None = None,
) -> list[Tensor]:
    """Images optimised towards classes of the network, in place of ``images``.

    Args:
        classifier: the network.
        images: uint8 (3, S, S), all of one size of at least the network's crop.
        most: so many of them, from the first; the others are returned unchanged. None: all.
        advance: told how many images' work is done.

    Returns:
        As many images, the optimised ones first.
    """
    # Another seed would give other images than those that were measured.
    generator = torch.Generator().manual_seed(mixed("dreams", 0))
    rounds = -(-len(images) // classifier.outputs)
    classes = torch.cat([torch.randperm(classifier.outputs, generator=generator) for _ in range(rounds)])
    inverted: list[Tensor] = []
    seen = seen_size(classifier)
    count = len(images) if most is None else min(most, len(images))
    for start in range(0, count, BATCH):
        batch = torch.stack(list(images[start : min(start + BATCH, count)]))
        with adapters_off(classifier.network):
            targets = classes[start : start + len(batch)]
            tell = None if advance is None else partial(_tell, advance, start, len(batch), count)
            inverted += _invert_batch(classifier, batch, targets, seen, generator, tell)
    return [*inverted, *images[count:]]


@torch.no_grad()
def seen_size(classifier: Classifier) -> int:
    """Pixels a side of what the network sees of an image that is optimised: half of its crop, at a quarter of
    the cost, where it takes images of that size, and otherwise its crop.

    The changes are coarser than that anyway (:data:`LEVELS`).
    """
    crop = classifier.preprocessing.crop
    device = next(classifier.network.parameters()).device
    try:
        classifier.network(torch.zeros(1, 3, crop // 2, crop // 2, device=device))
    except (RuntimeError, AssertionError, ValueError):
        return crop
    return crop // 2


def cached_inversion(
    classifier: Classifier,
    images: Sequence[Tensor],
    most: int,
    directory: Path | None,
    advance: Advance | None = None,
) -> tuple[list[Tensor], bool]:
    """:func:`invert`, or what it made of these images for this network before.

    Args:
        classifier: the network; its fingerprint tells it from others.
        images: as for :func:`invert`.
        most: as for :func:`invert`.
        directory: of the cache, which holds finished sets alone; None: nothing is read or written.
        advance: as for :func:`invert`.

    Returns:
        The images, and whether they come from the cache.
    """
    made_by = f"{VERSION} {classifier.fingerprint} {classifier.preprocessing} {classifier.outputs} {most}"
    digest = hashlib.sha256(made_by.encode())
    for image in images:
        digest.update(image.numpy().tobytes())
    path = directory / f"inverted-{digest.hexdigest()[:16]}.safetensors" if directory else None
    if path is not None and path.exists():
        try:
            return list(load_file(path)["images"]), True
        except (SafetensorError, KeyError) as error:
            log.warning("%s is damaged (%s): its images are generated again", path, error)
    inverted = invert(classifier, images, most=most, advance=advance)
    if path is not None:
        with replacing(path) as temporary:
            save_file({"images": torch.stack(inverted)}, temporary)
    return inverted, False


def _tell(advance: Advance, before: int, size: int, count: int, step: int) -> None:
    """How many images' work is done after a step of a batch of ``size`` images."""
    advance(before + size * step // STEPS, count)


def _invert_batch(
    classifier: Classifier, images: Tensor, classes: Tensor, seen: int, generator: torch.Generator,
    tell: Callable[[int], None] | None,
) -> list[Tensor]:  # fmt: skip
    device = next(classifier.network.parameters()).device
    preprocessing = classifier.preprocessing
    whole = images.shape[-1]
    # The size at which the network sees a crop of `seen` pixels.
    size = whole * seen // preprocessing.crop
    mean, std = (
        torch.tensor(v, device=device).view(3, 1, 1) for v in (preprocessing.mean, preprocessing.std)
    )
    images = images.to(device) / 255
    classes = classes.to(device)
    pyramid = [
        torch.zeros(len(images), 3, *2 * (max(1, whole // level),), device=device, requires_grad=True)
        for level in LEVELS
    ]

    def changed(pixels: Tensor) -> Tensor:
        resized = [_resized(level, pixels.shape[-1]) for level in pyramid]
        return (torch.logit(pixels.clamp(0.02, 0.98)) + sum(resized)).sigmoid()

    optimizer = torch.optim.Adam(pyramid, lr=LR)
    shown = _resized(images, size)
    for step in range(STEPS):
        if tell is not None:
            tell(step)
        values = changed(shown)
        top, left = torch.randint(size - seen + 1, (2,), generator=generator).tolist()
        view = values[:, :, top : top + seen, left : left + seen]
        if torch.rand((), generator=generator) < 0.5:
            view = view.flip(3)
        inputs = ((view - mean) / std).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device)):
            logits = classifier.network(inputs)
        # Neighbouring pixels of a smooth image differ twice as much at half its size.
        smoothness = TOTAL_VARIATION_WEIGHT * size / whole
        loss = F.cross_entropy(logits.float(), classes) + smoothness * _total_variation(values)
        gradients = torch.autograd.grad(loss, pyramid)
        for level, gradient in zip(pyramid, gradients, strict=True):
            level.grad = gradient
        optimizer.step()
    with torch.no_grad():
        return list((changed(images) * 255 + 0.5).to(torch.uint8).cpu())


def _resized(images: Tensor, size: int) -> Tensor:
    """Images (n, 3, s, s) as (n, 3, size, size), bilinearly."""
    if images.shape[-1] == size:
        return images
    return F.interpolate(images, size=(size, size), mode="bilinear", antialias=size < images.shape[-1])


def _total_variation(images: Tensor) -> Tensor:
    """The mean difference of neighbouring pixels, vertically and horizontally."""
    vertical = (images[:, :, 1:] - images[:, :, :-1]).abs().mean()
    horizontal = (images[:, :, :, 1:] - images[:, :, :, :-1]).abs().mean()
    return vertical + horizontal
