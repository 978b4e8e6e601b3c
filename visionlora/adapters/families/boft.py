"""BOFT: s * W (B_m ... B_2 B_1)^T, orthogonal butterfly factors (Liu et al. 2024,
https://arxiv.org/abs/2311.06243, equations 3 to 5).

Each factor B_i = P_i R_i P_i^T is block-diagonal up to a permutation P_i that brings distant inputs into one
block, so that m sparse factors reach what one dense rotation would. Blocks are Cayley transforms of
skew-symmetric matrices, as in OFT, which is the case m = 1. The kernel counts as inputs: the weight is
(out, in/groups * kernel...). s scales each output and starts at 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from visionlora.adapters.base import Adapter, AdapterSettings, Option, ScaledLowRank, padding_obstacle
from visionlora.adapters.families.rotation import block_size, cayley


class Boft(Adapter):
    """BOFT's blocks and scales, under PEFT's names. The rank is the size of a block, or the divisor closest
    to it.

    Options:
        factors: m, reduced on layers whose sizes don't allow as many.
        side: "input" or "output", what is turned.

    Attributes:
        boft_R: (m, blocks, b, b); S is half of its difference from its transpose.
        boft_s: (out, 1) of a matrix, (1, out) of a convolution.
    """

    family: ClassVar[str] = "boft"
    unused: ClassVar[tuple[str, ...]] = ("alpha", "rslora", "init_std")
    peft_type: ClassVar[str | None] = "BOFT"
    defaults: ClassVar[Mapping[str, Option]] = {"factors": 2, "side": "input"}
    minima: ClassVar[Mapping[str, float]] = {"factors": 1}
    maxima: ClassVar[Mapping[str, float]] = {"factors": 64}
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {"side": ("input", "output")}

    def __init__(
        self, shape: Sequence[int], settings: AdapterSettings, dtype: torch.dtype, generator: torch.Generator
    ) -> None:
        super().__init__(shape, settings, dtype, generator)
        out = shape[0]
        turned = out if self.option("side") == "output" else torch.Size(shape[1:]).numel()
        self.block = size = block_size(turned, settings.rank)
        factors = most_factors(turned, size, self.option("factors"))
        self.boft_R = nn.Parameter(torch.zeros(factors, turned // size, size, size, dtype=dtype))
        self.boft_s = nn.Parameter(torch.ones((out, 1) if len(shape) == 2 else (1, out), dtype=dtype))

    def turn(self, rows: Tensor) -> Tensor:
        """rows @ (B_m ... B_1)^T, (rows, n)."""
        factors, blocks, size, _ = self.boft_R.shape
        R = cayley((self.boft_R - self.boft_R.transpose(-1, -2)) / 2)
        for stage in range(factors):
            rows = unshuffle(rows, size, stage).view(-1, blocks, size)
            rows = shuffle(torch.einsum("bij,obj->obi", R[stage], rows).flatten(1), size, stage)
        return rows

    def weight(self, base: Tensor) -> Tensor:
        """boft_s * base @ (B_m ... B_1)^T, or boft_s * (B_m ... B_1) @ base with `side=output`."""
        matrix = base.flatten(1)
        turned = self.turn(matrix.t()).t() if self.option("side") == "output" else self.turn(matrix)
        return (turned * self.boft_s.view(-1, 1)).view(base.shape)

    def scaled_low_rank(self, base: Tensor) -> ScaledLowRank | None:
        """The product of the factors, which turns blocks of b * 2^(m - 1) outputs or inputs, and boft_s; None
        where it mixes pixels of the kernel."""
        inside = self.option("side") == "input"
        if inside and base[0, 0].numel() > 1:
            return None
        factors, blocks, size, _ = self.boft_R.shape
        block = size * 2 ** (factors - 1)
        # The same unit vectors for every block: (b, n), row i has a one at place i of each of them.
        ones = torch.eye(block, dtype=base.dtype, device=base.device).repeat(1, blocks * size // block)
        turn = self.turn(ones).view(block, -1, block).permute(1, 2, 0)
        scale = self.boft_s.view(-1, *(1,) * (base.ndim - 1))
        return ScaledLowRank(scale=scale, turn_in=turn) if inside else ScaledLowRank(scale=scale, turn=turn)

    @classmethod
    def to_peft_config(cls, settings: AdapterSettings) -> dict[str, Any]:
        """`BOFTConfig`'s keys."""
        factors = settings.options.get("factors", cls.defaults["factors"])
        return {"boft_block_size": settings.rank, "boft_block_num": 0, "boft_n_butterfly_factor": factors}

    @classmethod
    def from_peft_config(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """Rank and factors."""
        if config.get("boft_block_num"):
            raise ValueError("boft_block_num is not known here: use boft_block_size in PEFT.")
        options = {"factors": config.get("boft_n_butterfly_factor", 1)}
        return {"rank": config.get("boft_block_size", 4), "options": options}

    def peft_obstacle(self, layer: nn.Module) -> str | None:
        """PEFT turns inputs, and knows of a convolution one stride, one padding and no dilation."""
        if self.option("side") == "output":
            return "PEFT's BOFT turns inputs, not outputs"
        if self.boft_R.shape[-1] != self.settings.rank:
            return "PEFT's BOFT refuses a block size that does not divide the inputs"
        if isinstance(layer, nn.Conv2d):
            one = (
                len(set(layer.stride)) == 1
                and not isinstance(layer.padding, str)
                and len(set(layer.padding)) == 1
            )
            if not one or set(layer.dilation) != {1}:
                return "PEFT's BOFT knows one stride, one padding and no dilation"
        return super().peft_obstacle(layer) or padding_obstacle(layer)


def most_factors(size: int, block: int, wanted: int) -> int:
    """How many butterfly factors, at most `wanted`, blocks of that size allow."""
    if block % 2:
        return 1
    return max(one for one in range(1, wanted + 1) if one == 1 or size % (block * 2 ** (one - 1)) == 0)


def shuffle(rows: Tensor, block: int, stage: int) -> Tensor:
    """P_i of a stage on the last dimension, (rows, n): in each stretch of block * 2^stage the half blocks at
    even places come first, then those at odd ones (the authors' code, which PEFT has too)."""
    if not stage:
        return rows
    halves = rows.reshape(len(rows), -1, 2**stage, 2, block // 2)
    return halves.transpose(2, 3).reshape(rows.shape)


def unshuffle(rows: Tensor, block: int, stage: int) -> Tensor:
    """The inverse of `shuffle`."""
    if not stage:
        return rows.contiguous()
    halves = rows.reshape(len(rows), -1, 2, 2**stage, block // 2)
    return halves.transpose(2, 3).reshape(rows.shape)
