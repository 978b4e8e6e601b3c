"""NF4: four bits for each weight, in blocks of 64 with a scale each, whose scales are quantised too.

QLoRA (Dettmers et al. 2023, https://arxiv.org/abs/2305.14314, section 3): the sixteen values are quantiles of
a normal distribution; a block is divided by its largest absolute value. Those scales, minus their mean, are
quantised to eight bits in blocks of 256 (double quantisation). Codes, scales and dequantised weights are
those of bitsandbytes, to the bit. Two things differ in the scales' eight bits: their mean is summed in double
precision, so that it does not depend on the number of threads, and each gets its nearest value, where
bitsandbytes' CPU routine takes a neighbour for one in a few hundred.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

BLOCK = 64
SCALE_BLOCK = 256
PIECE = 2**17  # weights that are looked up at a time: they stay in the processor's cache
AT_ONCE = 2**20  # weights that are quantised at a time
_TINY = 1e-38  # what a block of zeros is divided by

VALUES = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
    0.7229568362236023, 1.0,
)  # fmt: skip


class Codec(NamedTuple):
    """An implementation of the blocks; all of them give the same bits.

    Attributes:
        name: to be shown.
        quantise: (numbers (n,), float32) to codes (ceil(n / 2),), uint8, and scales (blocks,), float32.
        dequantise: (codes, scales, n, type) to numbers (n,); codes of whole blocks, but the last.
    """

    name: str
    quantise: Callable[[Tensor], tuple[Tensor, Tensor]]
    dequantise: Callable[[Tensor, Tensor, int, torch.dtype], Tensor]


def quantise(numbers: Tensor) -> tuple[Tensor, Tensor]:
    """Codes, two to a byte (the first in the upper half), and the largest absolute value of each block."""
    bounds = _bounds(VALUES, numbers.device)

    def of_piece(piece: Tensor) -> tuple[Tensor, Tensor]:
        codes, scales = _nearest(piece, bounds, BLOCK)
        codes = F.pad(codes, (0, len(codes) % 2), value=VALUES.index(0.0))
        return (codes[::2] << 4) | codes[1::2], scales

    return in_pieces(of_piece, numbers)


def in_pieces(quantise: Callable[[Tensor], tuple[Tensor, Tensor]], numbers: Tensor) -> tuple[Tensor, Tensor]:
    """What `quantise` gives for all numbers, a few at a time: the steps between take several times as much
    memory as what they quantise."""
    codes = numbers.new_empty(-(-len(numbers) // 2), dtype=torch.uint8)
    scales = numbers.new_empty(-(-len(numbers) // BLOCK))
    for first in range(0, len(numbers), AT_ONCE):
        last = first + AT_ONCE
        found = codes[first // 2 : last // 2], scales[first // BLOCK : last // BLOCK]
        for part, made in zip(found, quantise(numbers[first:last]), strict=True):
            part.copy_(made)
    return codes, scales


def dequantise(codes: Tensor, scales: Tensor, count: int, dtype: torch.dtype) -> Tensor:
    """value * scale of each, computed in float32. A byte is looked up as two values, 64 bits at once."""
    table = _table(_pairs, codes)
    numbers = torch.empty(2 * len(codes), dtype=dtype, device=codes.device)
    step = PIECE if codes.device.type == "cpu" else max(1, len(numbers))
    for first in range(0, len(numbers), step):
        part = numbers[first : first + step]
        found = table.index_select(0, codes[first // 2 : (first + step) // 2].int()).view(torch.float32)
        whole = len(found) // BLOCK * BLOCK
        if whole:
            own = scales[first // BLOCK : (first + whole) // BLOCK, None]
            torch.mul(found[:whole].view(-1, BLOCK), own, out=part[:whole].view(-1, BLOCK))
        if whole < len(found):  # the last block
            part[whole:] = found[whole:] * scales[-1]
    return numbers[:count]


PYTORCH = Codec("PyTorch", quantise, dequantise)


class Scales(NamedTuple):
    """The blocks' scales, quantised to eight bits.

    Attributes:
        codes: (blocks,), uint8.
        scales: (ceil(blocks / 256),), float32.
        offset: the mean of the blocks' scales, (), float32.
    """

    codes: Tensor
    scales: Tensor
    offset: Tensor

    def dense(self, first: int = 0, last: int | None = None) -> Tensor:
        """The scales of some blocks, float32; the first is that of a whole block of scales."""
        values = _table(_dynamic, self.codes)[self.codes[first:last].int()]
        each = self.scales[first // SCALE_BLOCK :].repeat_interleave(SCALE_BLOCK)
        return values.mul_(each[: len(values)]).add_(self.offset)


def quantise_scales(scales: Tensor) -> Scales:
    """Eight bits for each of the blocks' scales."""
    offset = scales.double().mean().float()
    codes, blocks = _nearest(scales - offset, _bounds(dynamic_values(), scales.device), SCALE_BLOCK)
    return Scales(codes, blocks, offset)


def _nearest(numbers: Tensor, bounds: Tensor, block: int) -> tuple[Tensor, Tensor]:
    """The number of the nearest value of each, uint8, and the largest absolute value of each block."""
    whole = len(numbers) // block * block
    blocks = numbers[:whole].view(-1, block)
    scales = blocks.abs().amax(1) if whole else numbers.new_empty(0)
    relative = (blocks * (1.0 / scales.clamp(min=_TINY))[:, None]).clamp_(-1, 1).flatten()
    if whole < len(numbers):
        last = numbers[whole:].abs().amax().clamp(min=_TINY)
        scales = torch.cat([scales, last[None]])
        relative = torch.cat([relative, (numbers[whole:] / last).clamp_(-1, 1)])
    return torch.bucketize(relative, bounds, out_int32=True).to(torch.uint8), scales


def _table(make: Callable[[torch.device], Tensor], codes: Tensor) -> Tensor:
    """What is looked up, made once for each device. A compiler, whose tensors are of a class of its own, gets
    one that it sees being made, and none of its own is kept for others."""
    table = _TABLES.get((make, codes.device)) if type(codes) is Tensor else None
    if table is None:
        table = make(codes.device)
        if type(table) is Tensor:
            _TABLES[make, codes.device] = table
    return table


_TABLES: dict[tuple[Callable[[torch.device], Tensor], torch.device], Tensor] = {}


@cache
def _bounds(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Half way from each value to the next."""
    sorted_values = torch.tensor(values, device=device)
    return (sorted_values[:-1] + sorted_values[1:]) / 2


def _pairs(device: torch.device) -> Tensor:
    """The two values of each byte, as the 64 bits of one number, (256,)."""
    values = torch.tensor(VALUES, device=device)
    byte = torch.arange(256, device=device)
    return torch.stack([values[byte >> 4], values[byte & 15]], 1).view(torch.float64).flatten()


@cache
def dynamic_values() -> tuple[float, ...]:
    """The 256 values of the dynamic 8-bit type, ascending (Dettmers 2015, https://arxiv.org/abs/1511.04561,
    section 2.1): an exponent of base ten whose length is not fixed, and a linear fraction in the rest."""
    values = [0.0, 1.0]
    for exponent in range(7):
        edges = torch.linspace(0.1, 1, 2**exponent + 1)
        means = 10 ** (exponent - 6) * ((edges[:-1] + edges[1:]) / 2)
        values += means.tolist() + (-means).tolist()
    return tuple(sorted(values))


def _dynamic(device: torch.device) -> Tensor:
    return torch.tensor(dynamic_values(), device=device)
