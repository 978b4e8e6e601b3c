"""NF4 by bitsandbytes, which is faster on a GPU and in bfloat16. To import it takes the extra `quantise`."""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from visionlora.frozen.nf4 import BLOCK, Codec, in_pieces

# It warns of a missing package that nothing here needs.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
import bitsandbytes  # noqa: E402, F401 - registers torch.ops.bitsandbytes


def quantise(numbers: Tensor) -> tuple[Tensor, Tensor]:
    """As `nf4.quantise`."""
    return in_pieces(_of_piece, numbers)


def _of_piece(numbers: Tensor) -> tuple[Tensor, Tensor]:
    codes, scales = torch.ops.bitsandbytes.quantize_4bit(numbers, BLOCK, "nf4", torch.uint8)
    return codes.flatten(), scales


def dequantise(codes: Tensor, scales: Tensor, count: int, dtype: torch.dtype) -> Tensor:
    """As `nf4.dequantise`."""
    # An odd number of them would be compiled, once for each.
    shape = (1, 2 * len(codes))
    return torch.ops.bitsandbytes.dequantize_4bit(codes, scales, BLOCK, "nf4", shape, dtype)[0, :count]


CODEC = Codec("bitsandbytes", quantise, dequantise)
