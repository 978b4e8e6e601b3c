"""Convolutions of 3 x 3 pixels by Winograd's minimal filtering algorithm: a quarter of the multiplications.

Six by six pixels of the input give four by four of the output (F(4 x 4, 3 x 3) of Lavin and Gray 2016,
equation 8, https://arxiv.org/abs/1509.09308): with d a tile of the input and w the kernel,

    Y = A' [(G w G') * (B' d B)] A,

where * is a product of numbers for one channel, and for many channels 36 matrix products. The interpolation
points 0, 1, -1, 1/2, -2 and infinity lose less to rounding than the usual ones (Barabasz et al. 2020,
https://arxiv.org/abs/1803.10986): 2e-6 of the output's norm in single precision, where PyTorch's own
convolution loses 2e-7. In half precision it would be too much.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from visionlora.kernels.matmul import has_onednn

TILE, KERNEL = 4, 3
TAPS = (TILE + KERNEL - 1) ** 2  # products for a tile and a pair of channels; 144 without the transformation

Matrix = tuple[tuple[float, ...], ...]

INPUT: Matrix = (  # B'
    (1 / 2, -3 / 4, -1, 3 / 4, 1 / 2, 0), (0, -1 / 2, 1 / 4, 5 / 4, 1 / 2, 0),
    (0, 1 / 2, -5 / 4, 1 / 4, 1 / 2, 0), (0, -1, -1 / 2, 1, 1 / 2, 0),
    (0, 1 / 4, -1 / 2, -1 / 4, 1 / 2, 0), (0, 1 / 2, -3 / 4, -1, 3 / 4, 1 / 2),
)  # fmt: skip
WEIGHT: Matrix = (  # G
    (2, 0, 0), (2 / 3, 2 / 3, 2 / 3), (-2 / 3, 2 / 3, -2 / 3),
    (-32 / 15, -16 / 15, -8 / 15), (2 / 15, -4 / 15, 8 / 15), (0, 0, 2),
)  # fmt: skip
OUTPUT: Matrix = (  # A'
    (1, 1, 1, 1, 1, 0), (0, 1, -1, 1 / 2, -2, 0),
    (0, 1, 1, 1 / 4, 4, 0), (0, 1, -1, 1 / 8, -8, 1),
)  # fmt: skip

PIECE = 392  # tiles at a time
BLOCK = 2**15  # pairs of channels at a time: all at once took VGG19's peak memory from +3 to +15 %
WORKSPACE = 9_000_000  # numbers, at least, to transform a piece in: above 32 MB glibc frees it as a whole
_CHANNELS = 64  # with fewer, transforming takes longer than it saves


def may_be_fastest(x: Tensor, channels: Sequence[int]) -> bool:
    """Whether it can be the fastest for x (N, in, H, W) and a weight with these channels, (out, in)."""
    last = x.is_contiguous(memory_format=torch.channels_last)
    return last and x.dtype == torch.float32 and has_onednn(x) and min(channels) >= _CHANNELS


def convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None, padding: Sequence[int], flipped: bool = False
) -> Tensor:
    """The convolution of x (N, in, H, W) with a weight (out, in, 3, 3): (N, out, H', W') in channels_last.

    `flipped` flips the kernel and exchanges its channels: with x the output's gradient and the padding 2 less
    the layer's, this is the input's gradient.
    """
    weight = weight.transpose(0, 1) if flipped else weight
    outputs, inputs = weight.shape[:2]
    size = [x.shape[2 + i] + 2 * padding[i] - KERNEL + 1 for i in range(2)]
    down, across = (-(-pixels // TILE) for pixels in size)
    shape = x.shape[0], outputs, *size
    y = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
    source, result = x.movedim(1, -1), y.movedim(1, -1)
    pieces = list(_pieces(x.shape[0], down, across))
    block = max(1, BLOCK // inputs)
    parts = [slice(first, first + block) for first in range(0, outputs, block)]
    kernels: Iterable[Tensor] = (_transformed(weight[part], flipped) for part in parts)
    if len(pieces) > 1:  # otherwise each is computed when its turn comes, and freed
        kernels = list(kernels)
    for images, rows in pieces:
        first, last = rows.start * TILE, rows.stop * TILE
        window = first, last + KERNEL - 1, across * TILE + KERNEL - 1
        values = _values(_padded(source[images], *window, padding))
        for part, kernel in zip(parts, kernels, strict=True):
            tiles = _products(values, kernel)
            if bias is not None:
                tiles += bias[part]
            _place(tiles, result[images, first:last, :, part])
    return y


def _transformed(weight: Tensor, flipped: bool) -> Tensor:
    """G w G' of every pair of channels, as the weight of TAPS groups of a convolution of one pixel."""
    matrix = _squared(WEIGHT, weight.dtype, weight.device)
    pairs = weight.permute(2, 3, 0, 1).reshape(KERNEL**2, -1)
    return ((matrix.flip(1) if flipped else matrix) @ pairs).view(-1, weight.shape[1], 1, 1)


def _values(patch: Tensor) -> Tensor:
    """B' d B of every tile of a patch (images, H, W, in): (tiles, TAPS, in)."""
    channels, reach = patch.shape[3], TILE + KERNEL - 1
    tiles = patch.unfold(1, reach, TILE).unfold(2, reach, TILE).movedim(3, -1)
    count = tiles.shape[:3].numel()
    size = count * TAPS * channels
    # In smaller pieces these left holes between tensors that live longer: 40 MB more at VGG19's peak.
    copied, values = patch.new_empty(max(2 * size, WORKSPACE))[: 2 * size].view(2, count, TAPS, channels)
    copied.view(tiles.shape).copy_(tiles)
    return torch.matmul(_squared(INPUT, patch.dtype, patch.device), copied, out=values)


def _products(values: Tensor, kernel: Tensor) -> Tensor:
    """A' [kernel * values] A of every tile: (tiles, TILE ** 2, out).

    The TAPS matrix products are the groups of one convolution, whose memory format is that of the transforms:
    nothing is copied before or after.
    """
    count = len(values)
    pixels = values.view(1, count, 1, -1).permute(0, 3, 1, 2)
    products = torch.conv2d(pixels, kernel, groups=TAPS).permute(0, 2, 3, 1)
    return torch.matmul(_squared(OUTPUT, values.dtype, values.device), products.reshape(count, TAPS, -1))


def _place(tiles: Tensor, into: Tensor) -> None:
    """Tiles (images * down * across, TILE ** 2, out) into (images, H, W, out), the last ones cut."""
    images, height, width, channels = into.shape
    down, across = -(-height // TILE), -(-width // TILE)
    tiles = tiles.view(images, down, across, TILE, TILE, channels).transpose(2, 3)
    if height % TILE or width % TILE:
        into.copy_(tiles.flatten(3, 4).flatten(1, 2)[:, :height, :width])
    else:
        into.unflatten(1, (-1, TILE)).unflatten(3, (-1, TILE)).copy_(tiles)


def _padded(x: Tensor, first: int, last: int, width: int, padding: Sequence[int]) -> Tensor:
    """Rows from first to last of x (images, H, W, channels) with its padding, and zeros up to the width."""
    above, left = padding
    top, bottom = max(0, first - above), min(x.shape[1], last - above)
    right, below = width - left - x.shape[2], last - above - bottom
    return F.pad(x[:, top:bottom], (0, 0, left, right, top + above - first, below))


def _pieces(images: int, down: int, across: int) -> Iterator[tuple[slice, slice]]:
    """Images and rows of tiles, about PIECE tiles at a time and as even as they can be."""
    rows = _even(down, max(1, PIECE // across))
    together = _even(images, max(1, PIECE // (down * across)))
    for image in range(0, images, together):
        for row in range(0, down, rows):
            yield slice(image, min(image + together, images)), slice(row, min(row + rows, down))


def _even(total: int, most: int) -> int:
    """The size of equal pieces, as few as possible, of at most `most`."""
    return -(-total // -(-total // most))


@cache
def _squared(matrix: Matrix, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The matrix that transforms both dimensions of a tile at once."""
    exact = torch.tensor(matrix, dtype=torch.float64)
    return torch.kron(exact, exact).to(device, dtype)
