"""Generated negatives: images of other things in the style of the training images.

A network that learns one class from drawings alone learns that every drawing shows it. Drawings of other
things prevent that; where there are none, these are used instead: drawn shapes that show nothing, shuffled
patches of the training images, and generated scenes in the training images' colours, flat and outlined.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms.v2 import functional as F

from visionlora.data.files.seeds import mixed
from visionlora.phases import phase
from visionlora.retention.generated import Rng, as_image, drawing

SAMPLE = 400
"""Pixels of an image that its palette is found from."""
ROUNDS = 6
"""Of Lloyd's algorithm."""
LIGHTNESS = (0.299, 0.587, 0.114)


@phase("generated")
def generate_negatives(
    count: int, size: int, images: Sequence[Tensor], scenes: Sequence[Tensor], seed: int = 0
) -> tuple[Tensor, ...]:
    """Make ``count`` images, uint8 (3, size, size); image i is a function of the arguments and i alone.

    Args:
        count: how many.
        size: pixels a side.
        images: the training images, uint8 (3, H, W), at least one: the style to copy.
        scenes: generated images, uint8 (3, H, W), at least one: what to show in that style.
        seed: another seed, other images.
    """
    made = []
    for index in range(count):
        rng = np.random.default_rng(mixed("contrast", seed, index))
        kind = index % 3
        if kind == 0:
            made.append(shuffled_patches(rng, size, images))
        elif kind == 1:
            made.append(as_image(drawing(rng, size)))
        else:
            made.append(restyled(rng, size, _any(rng, scenes), _any(rng, images)))
    return tuple(made)


def shuffled_patches(rng: Rng, size: int, images: Sequence[Tensor]) -> Tensor:
    """Squares cut from one or two images, shuffled, some turned over: (3, size, size)."""
    cells = int(rng.integers(3, 7))
    cell = -(-size // cells)
    chosen = [_any(rng, images) for _ in range(2)]
    resized = [F.resize(image, [cell * cells, cell * cells], antialias=True) for image in chosen]
    result = torch.empty_like(resized[0])
    for place, source in enumerate(rng.permutation(cells * cells)):
        row, column = divmod(place, cells)
        from_row, from_column = divmod(int(source), cells)
        piece = resized[int(rng.integers(2))].unflatten(1, (cells, cell)).unflatten(3, (cells, cell))
        square = piece[:, from_row, :, from_column, :]
        square = square.flip(-1) if rng.random() < 0.5 else square
        result[:, row * cell : (row + 1) * cell, column * cell : (column + 1) * cell] = square
    return result[:, :size, :size].contiguous()


def restyled(rng: Rng, size: int, scene: Tensor, style: Tensor) -> Tensor:
    """``scene`` smoothed, in a few flat colours of ``style``, most with dark outlines: (3, size, size)."""
    radius = int(rng.integers(2, 5))
    smooth = F.gaussian_blur(
        F.resize(scene, [size, size], antialias=True).float(), [2 * radius + 1] * 2, radius / 1.5
    )
    colours = _palette(rng, style, int(rng.integers(4, 10)))
    if rng.random() < 0.5:
        areas = torch.cdist(smooth.permute(1, 2, 0).reshape(-1, 3), colours).argmin(1).reshape(size, size)
    else:  # by rank of lightness: every colour gets as much of the image as any other
        weights = torch.tensor(LIGHTNESS)
        light = torch.einsum("chw,c->hw", smooth, weights)
        colours = colours[(colours @ weights).argsort()]
        steps = torch.linspace(0, 1, len(colours) + 1)[1:-1]
        areas = torch.bucketize(light, torch.quantile(light.flatten()[::7], steps))
    painted = colours[areas]
    if rng.random() < 0.6:
        edges = torch.zeros(1, size, size)
        edges[0, :, 1:] += areas[:, 1:] != areas[:, :-1]
        edges[0, 1:] += areas[1:] != areas[:-1]
        painted[functional.max_pool2d(edges, 3, 1, 1)[0] > 0] *= float(rng.uniform(0, 0.5))
    return painted.permute(2, 0, 1).clamp(0, 255).to(torch.uint8).contiguous()


def _palette(rng: Rng, image: Tensor, colours: int) -> Tensor:
    """The means of clusters of the image's colours, float32 (colours, 3)."""
    pixels = image.flatten(1).t().float()
    pixels = pixels[torch.from_numpy(rng.integers(len(pixels), size=SAMPLE))]
    means = pixels[:colours].clone()
    for _ in range(ROUNDS):
        nearest = torch.cdist(pixels, means).argmin(1)
        for place in nearest.unique().tolist():
            means[place] = pixels[nearest == place].mean(0)
    return means


def _any(rng: Rng, images: Sequence[Tensor]) -> Tensor:
    return images[int(rng.integers(len(images)))]
