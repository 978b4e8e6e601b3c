"""Layers whose adapted weight is a scale of each output times a low-rank change of the base, computed without
the gradient of the whole weight.

With `weight = c * (W + s B A)` and y the output without bias, the gradient of c is `sum(g * y) / c` over
images and pixels, where g is the gradient of y. So such a layer costs what LoRA costs, and two more passes
over its output.
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

_PIECE = 2**16
"""So many elements of the output and its gradient are multiplied at once: they stay in the cache."""
_LEAST = 1e-12
"""A scale closer to 0 counts as this, since its gradient is a quotient."""


class ScaledWeight:
    """A frozen weight with each output scaled. The product is made where it is used and never kept.

    Args:
        base: the weight.
        scale: (out, 1...).
    """

    __slots__ = ("base", "scale")

    def __init__(self, base: FrozenWeight, scale: Tensor) -> None:
        self.base, self.scale = base, scale

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
        """scale * base, computed in the scale's type or that of the base, whichever is more exact."""
        return (self.base.dense() * self.scale).to(dtype or self.dtype)

    def operand(self) -> Tensor:
        """The product; of a quantised base a quantised weight."""
        if isinstance(self.base, PackedWeight):
            return self.base.scaled(self.scale.flatten())
        return self.dense()

    def product(self, x: Tensor, bias: Tensor | None = None, transposed: bool = False) -> Tensor:
        """x W' + bias for x (M, in), or, transposed, x W for x (M, out)."""
        scale = self.scale.flatten().to(x.dtype)
        if transposed:
            return self.base.product(x * scale, transposed=True)
        y = self.base.product(x) * scale
        return y if bias is None else y + bias


def scaled_output(
    weight: FrozenWeight,
    bias: Tensor | None,
    scaled: ScaledLowRank,
    compute: Callable[[FrozenWeight, LowRank | None], Tensor],
    channels_first: bool,
) -> Tensor:
    """The output of a layer with the weight `scale * (weight + scaling * B @ A)`.

    Args:
        weight: the frozen weight, (out, in/groups, kernel...).
        bias: (out,), frozen, or None.
        scaled: the scale and the update.
        compute: gives the output without bias, for a frozen weight and an update.
        channels_first: whether the outputs are dimension 1 and not the last one.
    """
    scale, low_rank = scaled
    fixed = scale.detach()
    fixed = torch.where(fixed.abs() < _LEAST, _LEAST, fixed)
    if low_rank is not None:
        low_rank = low_rank._replace(B=low_rank.B * fixed)
    y = compute(ScaledWeight(weight, fixed), low_rank)
    return _WithBias.apply(y, scale, fixed, bias, channels_first)


class _WithBias(Function):
    """y plus the bias; its backward pass also gives the gradient of the scale that is already in y. The
    result is a tensor of its own, since y is kept and what follows may write into its input."""

    @staticmethod
    def forward(
        ctx: Any, y: Tensor, scale: Tensor, fixed: Tensor, bias: Tensor | None, channels_first: bool
    ) -> Tensor:
        ctx.save_for_backward(y, fixed)
        ctx.channels_first = channels_first
        if bias is None:
            return y.clone()
        shape = (-1, *(1,) * (y.ndim - 2)) if channels_first and y.ndim > 2 else (-1,)
        return y + bias.view(shape).to(y.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        y, fixed = ctx.saved_tensors
        sums = _sum_of_products(g, y, ctx.channels_first, fixed.dtype)
        return g, sums.view(fixed.shape) / fixed, None, None, None


def _sum_of_products(g: Tensor, y: Tensor, channels_first: bool, dtype: torch.dtype) -> Tensor:
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
