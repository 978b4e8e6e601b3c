"""Generated images that wake what a network knows: made more like one of its classes, by the network.

Where there are no photos, the frozen network can say what its classes look like to it: a generated image is
changed, in coarse colours and shapes, until the network takes it for a class drawn at random. That is the
optimisation of Yin et al. 2020 (https://arxiv.org/abs/1912.08857, equation 2) without batch norm's
statistics, which many networks lack, started from an image with natural statistics instead of noise, and
over a pyramid of coarse images instead of pixels, so that it stays one.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from visionlora.adapters import adapters_off
from visionlora.data import Preprocessing
from visionlora.data.augment import mixed
from visionlora.files import replacing
from visionlora.training.precision import has_bfloat16

VERSION = 1
STEPS = 24
BATCH = 16
LEVELS = (16, 8, 4, 2)
"""Pixels a side for each pixel of the coarse images that are added up."""
RATE = 0.06
ROUGHNESS = 2.0

log = logging.getLogger(__name__)


def dream(
    network: nn.Module,
    images: Sequence[Tensor],
    preprocessing: Preprocessing,
    outputs: int,
    seed: int = 0,
    seconds: float = float("inf"),
) -> list[Tensor]:
    """Images made more like classes of the network, in place of ``images``.

    Args:
        network: adapted, in eval mode: images (n, 3, crop, crop) to logits.
        images: uint8 (3, S, S), all of one size of at least the network's crop.
        preprocessing: the network's crop and normalisation.
        outputs: how many of its outputs, from the first, are classes to dream of.
        seed: of the classes and crops.
        seconds: no further batch is begun after so long; the images left are returned as they were.

    Returns:
        As many images, the first of them dreamed.
    """
    generator = torch.Generator().manual_seed(mixed("dreams", seed))
    classes = torch.cat(
        [torch.randperm(outputs, generator=generator) for _ in range(-(-len(images) // outputs))]
    )
    made: list[Tensor] = []
    started = time.perf_counter()
    for start in range(0, len(images), BATCH):
        batch = list(images[start : start + BATCH])
        if time.perf_counter() - started >= seconds:
            return [*made, *images[start:]]
        wanted = classes[start : start + len(batch)]
        with adapters_off(network):
            made += _dream(network, torch.stack(batch), wanted, preprocessing, generator)
    return made


def dreamed_once(
    network: nn.Module,
    images: Sequence[Tensor],
    preprocessing: Preprocessing,
    outputs: int,
    directory: Path | None,
    fingerprint: str,
    seconds: float,
) -> tuple[list[Tensor], int, bool]:
    """:func:`dream`, or what it made of these images for this network before.

    Args:
        directory: where dreams are kept; None: nowhere.
        fingerprint: of the network's weights.

    Returns:
        The images, how many of them were dreamed, and whether they were read and not made.
    """
    digest = hashlib.sha256(f"{VERSION} {fingerprint} {preprocessing} {outputs} {seconds}".encode())
    for image in images:
        digest.update(image.numpy().tobytes())
    path = directory / f"dreams-{digest.hexdigest()[:16]}.safetensors" if directory else None
    if path is not None and path.exists():
        try:
            kept = load_file(path)["pictures"]
            return list(kept), _changed(images, list(kept)), True
        except (SafetensorError, KeyError) as error:
            log.warning("%s holds no dreams (%s): they are made again", path, error)
    made = dream(network, images, preprocessing, outputs, seconds=seconds)
    if path is not None:
        with replacing(path) as beside:
            save_file({"pictures": torch.stack(made)}, beside)
    return made, _changed(images, made), False


def _changed(images: Sequence[Tensor], made: Sequence[Tensor]) -> int:
    return sum(not torch.equal(one, other) for one, other in zip(images, made, strict=True))


def _dream(
    network: nn.Module,
    images: Tensor,
    wanted: Tensor,
    preprocessing: Preprocessing,
    generator: torch.Generator,
) -> list[Tensor]:
    device = next(network.parameters()).device
    size, crop = images.shape[-1], preprocessing.crop
    mean, std = (
        torch.tensor(v, device=device).view(3, 1, 1) for v in (preprocessing.mean, preprocessing.std)
    )
    start = torch.logit((images.to(device) / 255).clamp(0.02, 0.98))
    wanted = wanted.to(device)
    pyramid = [
        torch.zeros(len(images), 3, *2 * (max(1, size // level),), device=device, requires_grad=True)
        for level in LEVELS
    ]

    def now() -> Tensor:
        grown = [F.interpolate(one, size=(size, size), mode="bilinear") for one in pyramid]
        return (start + sum(grown)).sigmoid()

    optimizer = torch.optim.Adam(pyramid, lr=RATE)
    for _ in range(STEPS):
        seen = now()
        top, left = torch.randint(size - crop + 1, (2,), generator=generator).tolist()
        view = seen[:, :, top : top + crop, left : left + crop]
        if torch.rand((), generator=generator) < 0.5:
            view = view.flip(3)
        seen_view = ((view - mean) / std).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device)):
            logits = network(seen_view)
        loss = F.cross_entropy(logits.float(), wanted) + ROUGHNESS * _roughness(seen)
        gradients = torch.autograd.grad(loss, pyramid)
        for level, gradient in zip(pyramid, gradients, strict=True):
            level.grad = gradient
        optimizer.step()
    with torch.no_grad():
        return list((now() * 255 + 0.5).to(torch.uint8).cpu())


def _roughness(images: Tensor) -> Tensor:
    """Total variation: the mean step between neighbouring pixels, down and across."""
    down = (images[:, :, 1:] - images[:, :, :-1]).abs().mean()
    across = (images[:, :, :, 1:] - images[:, :, :, :-1]).abs().mean()
    return down + across
