"""Layers whose adapted weight is a low-rank change of the base, with scaled or turned outputs or turned
inputs, computed without the gradient of the whole weight.

With `weight = c * T (W + s B A) R'`, T and R orthogonal in blocks, and y the output without bias, the
gradient of c is `sum(g * y) / c` over images and pixels, where g is the gradient of y; that of T is
`sum((c g) (y / c)') T`, and that of R `sum(x h') R`, with h the gradient of the input x, block by block. So
such a layer costs what LoRA costs, and two more passes over its output or input.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from visionlora.adapters.base import LowRank, ScaledLowRank
from visionlora.frozen.packed import PackedWeight
from visionlora.kernels import FrozenWeight
from visionlora.kernels.tensors import LAST

_PIECE = 2**16
"""So many elements of the output and its gradient are multiplied at once: they stay in the cache."""
_LEAST = 1e-12
"""A scale closer to 0 counts as this, since its gradient is a quotient."""
_LEAST_BLOCK = 16
"""Smaller blocks are computed as parts of larger ones, which takes a fifth of the time."""


def map_outputs(t: Tensor, scale: Tensor | None, turn: Tensor | None) -> Tensor:
    """scale * (turn @ t) for t (out, in, kernel...), in its memory format."""
    if turn is not None:
        last = t.ndim in LAST and t.is_contiguous(memory_format=LAST[t.ndim])
        as_it_lies = t.movedim(1, -1) if last else t
        turn = turn if scale is None else turn * scale.reshape(turn.shape[0], -1, 1)
        turned = torch.bmm(turn, as_it_lies.reshape(*turn.shape[:2], -1)).view(as_it_lies.shape)
        return turned.movedim(-1, 1) if last else turned
    return t if scale is None else t * scale


def turn_rows(rows: Tensor, turn: Tensor) -> Tensor:
    """turn @ row, block by block, for each row of (M, n)."""
    turned = torch.bmm(rows.reshape(len(rows), *turn.shape[:2]).transpose(0, 1), turn.mT.to(rows.dtype))
    return turned.transpose(0, 1).reshape(rows.shape)


class MappedWeight:
    """A frozen weight with its outputs turned and scaled, or its inputs turned. The product is made where it
    is used and never kept.

    Args:
        base: the weight.
        scale: (out, 1...), or None.
        turn: (blocks, b, b), of the outputs, or None.
        turn_in: (blocks, b, b), of the inputs of a weight of one pixel, or None.
    """

    __slots__ = ("base", "scale", "turn", "turn_in")
    is_stored = False

    def __init__(
        self, base: FrozenWeight, scale: Tensor | None, turn: Tensor | None, turn_in: Tensor | None = None
    ) -> None:
        self.base, self.scale, self.turn, self.turn_in = base, scale, turn, turn_in

    @property
    def shape(self) -> torch.Size:
        """That of the base."""
        return self.base.shape

    @property
    def dtype(self) -> torch.dtype:
        """That of the base."""
        return self.base.dtype

    @property
    def device(self) -> torch.device:
        """That of the base."""
        return self.base.device

    @property
    def requires_grad(self) -> bool:
        """Whether the base is trained."""
        return self.base.requires_grad

    def dense(self, dtype: torch.dtype | None = None) -> Tensor:
        """scale * (turn @ base @ turn_in'), in the type of these, or of the base if that is more exact."""
        factor = next((t for t in (self.turn_in, self.turn, self.scale) if t is not None), None)
        exact = self.dtype if factor is None else torch.promote_types(self.dtype, factor.dtype)
        base = self.base.dense(exact)
        if self.turn_in is not None:
            base = turn_rows(base.flatten(1), self.turn_in).view(base.shape)
        return map_outputs(base, self.scale, self.turn).to(dtype or self.dtype)

    def operand(self) -> Tensor:
        """The product; of a quantised base that is only scaled a quantised weight."""
        turns = self.turn is not None or self.turn_in is not None
        if isinstance(self.base, PackedWeight) and self.scale is not None and not turns:
            return self.base.scaled(self.scale.flatten())
        return self.dense()

    def product(self, x: Tensor, bias: Tensor | None = None, transposed: bool = False) -> Tensor:
        """x W' + bias for x (M, in), or, transposed, x W for x (M, out)."""
        if transposed:
            u = self.base.product(self._mapped(x, transposed), transposed=True)
            return u if self.turn_in is None else turn_rows(u, self.turn_in)
        x = x if self.turn_in is None else turn_rows(x, self.turn_in.mT)
        y = self._mapped(self.base.product(x), transposed)
        return y if bias is None else y + bias

    def _mapped(self, rows: Tensor, transposed: bool) -> Tensor:
        """scale * (turn @ row) of each row (M, out), or, transposed, turn' @ (scale * row)."""
        scale = 1 if self.scale is None else self.scale.flatten().to(rows.dtype)
        if self.turn is None:
            return rows * scale
        rows = rows * scale if transposed else rows
        turn = (self.turn.mT if transposed else self.turn).to(rows.dtype)
        turned = torch.einsum("nij,mnj->mni", turn, rows.view(len(rows), *turn.shape[:2])).flatten(1)
        return turned if transposed else turned * scale


def scaled_output(
    x: Tensor,
    weight: FrozenWeight,
    bias: Tensor | None,
    scaled: ScaledLowRank,
    compute: Callable[[Tensor, FrozenWeight, Tensor | None, LowRank | None], Tensor],
    channels_first: bool,
) -> Tensor:
    """The output of a layer with the weight `scale * (turn @ (weight + scaling * B @ A) @ turn_in')`.

    Args:
        x: the input.
        weight: the frozen weight, (out, in/groups, kernel...).
        bias: (out,), frozen, or None.
        scaled: the scale, the turns and the update.
        compute: gives the output for an input, a frozen weight, a bias and an update.
        channels_first: whether inputs and outputs are dimension 1 and not the last one.
    """
    low_rank, scale, turn, turn_in = scaled
    fixed_in = None if turn_in is None else turn_in.detach()
    if turn_in is not None:
        x = _WithTurn.apply(x, turn_in, fixed_in, channels_first)
    if scale is None and turn is None:
        return compute(
            x, weight if fixed_in is None else MappedWeight(weight, None, None, fixed_in), bias, low_rank
        )
    fixed = None if scale is None else scale.detach()
    fixed = None if fixed is None else torch.where(fixed.abs() < _LEAST, _LEAST, fixed)
    fixed_turn = None if turn is None else turn.detach()
    if low_rank is not None:
        low_rank = low_rank._replace(B=map_outputs(low_rank.B, fixed, fixed_turn))
    y = compute(x, MappedWeight(weight, fixed, fixed_turn, fixed_in), None, low_rank)
    return _WithBias.apply(y, scale, turn, fixed, fixed_turn, bias, channels_first)


class _WithTurn(Function):
    """x as it is; the backward pass also gives the gradient of the turn that the weight has in it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, turn: Tensor, fixed: Tensor, channels_first: bool) -> Tensor:
        ctx.save_for_backward(x, fixed)
        ctx.channels_first = channels_first
        return x.view_as(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, h: Tensor) -> tuple[Tensor | None, ...]:
        x, turn = ctx.saved_tensors
        sums = _sum_of_block_products(x, h, ctx.channels_first, turn.shape[-1], turn.dtype)
        return h, sums @ turn, None, None


class _WithBias(Function):
    """y plus the bias; its backward pass also gives the gradients of the scale and the turn that are already
    in y. The result is a tensor of its own, since y is kept and what follows may write into its input."""

    @staticmethod
    def forward(
        ctx: Any, y: Tensor, scale: Tensor | None, turn: Tensor | None, fixed: Tensor | None,
        fixed_turn: Tensor | None, bias: Tensor | None, channels_first: bool,
    ) -> Tensor:  # fmt: skip
        ctx.save_for_backward(y, fixed, fixed_turn)
        ctx.channels_first = channels_first
        if bias is None:
            return y.clone()
        shape = (-1, *(1,) * (y.ndim - 2)) if channels_first and y.ndim > 2 else (-1,)
        return y + bias.view(shape).to(y.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        y, scale, turn = ctx.saved_tensors
        if turn is None:
            sums = sum_of_products(g, y, ctx.channels_first, scale.dtype)
            return g, sums.view(scale.shape) / scale, *(None,) * 5
        sums = _sum_of_block_products(g, y, ctx.channels_first, turn.shape[-1], turn.dtype)
        grad_scale = None
        if scale is not None:
            grad_scale = sums.diagonal(dim1=1, dim2=2).reshape(scale.shape) / scale
            each = scale.reshape(len(turn), -1, 1)
            sums = sums * each / each.mT
        return g, grad_scale, sums @ turn, *(None,) * 4


def sum_of_products(g: Tensor, y: Tensor, channels_first: bool, dtype: torch.dtype) -> Tensor:
    """sum(g * y) for each output, (out,)."""
    if channels_first and y.ndim > 2 and y.is_contiguous():  # images in turn, as they lie
        total = y.new_zeros(y.shape[1], dtype=dtype)
        for one, other in zip(g, y, strict=True):
            total += (one * other).flatten(1).sum(1, dtype=dtype)
        return total
    if channels_first:
        g, y = g.movedim(1, -1), y.movedim(1, -1)
    g, y = g.reshape(-1, g.shape[-1]), y.reshape(-1, y.shape[-1])
    rows = max(1, _PIECE // y.shape[-1])
    total = y.new_zeros(y.shape[-1], dtype=dtype)
    for one, other in zip(g.split(rows), y.split(rows), strict=True):
        total += (one * other).sum(0, dtype=dtype)
    return total


def _sum_of_block_products(
    g: Tensor, y: Tensor, channels_first: bool, block: int, dtype: torch.dtype
) -> Tensor:
    """sum(g y') within each block of outputs, (blocks, block, block)."""
    channels = y.shape[1 if channels_first else -1]
    blocks, wide = channels // block, block
    while wide < _LEAST_BLOCK and channels % (2 * wide) == 0:
        wide *= 2
    total = y.new_zeros(channels // wide, wide, wide, dtype=dtype)
    if channels_first and y.ndim > 2 and y.is_contiguous():  # images in turn, as they lie
        for one, other in zip(g, y, strict=True):
            rows = [t.to(dtype).reshape(len(total), wide, -1) for t in (one, other)]
            total += torch.bmm(rows[0], rows[1].mT)
    else:
        if channels_first:
            g, y = g.movedim(1, -1), y.movedim(1, -1)
        many = max(1, 16 * _PIECE // channels)
        for one, other in zip(
            g.reshape(-1, channels).split(many), y.reshape(-1, channels).split(many), strict=True
        ):
            rows = [t.to(dtype).reshape(-1, len(total), wide) for t in (one, other)]
            total += torch.bmm(rows[0].permute(1, 2, 0), rows[1].transpose(0, 1))
    inner = total.view(len(total), wide // block, block, wide // block, block)
    return inner.diagonal(dim1=1, dim2=3).permute(0, 3, 1, 2).reshape(blocks, block, block)
