"""The autograd functions: merged forward, input gradient through the same weight, the adapter's gradients.

Nothing is kept for the backward pass but x and the parameters: the merged weight is made again there. Only
where the weight is cast (autocast) the caller hands it over as `kept`, since a plain layer keeps its cast
weight too. Where x can be made again from what the module below keeps, that is kept instead of x (`inputs`).
They compute in the type of x; autocast is the caller's matter. All of it is made of differentiable
operations, so second derivatives work, slowly.

Each `forward` takes its context too: beside a `setup_context` PyTorch reads the signature anew in every call,
which took longer than a small layer.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from visionlora.kernels import conv as convs
from visionlora.kernels import conv_gradients
from visionlora.kernels import matmul as rows
from visionlora.kernels.conv import Geometry
from visionlora.kernels.merge import autocast_off, ready_weight
from visionlora.kernels.recompute import NORMALIZED, Recipe, normalized


class RowsFunction(Function):
    """A layer that is one matrix product. The weight is (out, in), A (r, in, 1...), B (out, r, 1...); x is
    (..., in) or, channels first, (N, in, size...) in channels_last. `made_of` is what x is made of again by
    the `recipe`, where there is one.

    The output is a tensor of its own, not a view of one: what follows may write into it at no cost. So is
    the gradient of x: autograd adds others to it in place.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        A: Tensor,
        B: Tensor,
        kept: Tensor | None,
        scaling: float,
        channels_first: bool,
        recipe: Recipe | None,
        product: str,
        gradient: str,
        *made_of: Tensor,
    ) -> Tensor:
        ctx.scaling, ctx.channels_first, ctx.recipe = scaling, channels_first, recipe
        ctx.product, ctx.gradient, ctx.shape = product, gradient, x.shape
        hidden = None
        if gradient == NORMALIZED:
            small_A, _ = _scaled(A.flatten(1), B, scaling, x.dtype)
            hidden = rows.linear(small_A, rows.as_rows(x, channels_first))
        ctx.save_for_backward(weight, A, B, kept, hidden, *(made_of if recipe else (x,)))
        ready = _ready(kept, product, weight, A, B, scaling, x.dtype)
        return rows.forward(product, x, ready, bias, A.flatten(1), B.flatten(1), scaling, channels_first)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        weight, A, B, kept, hidden, *made_of = ctx.saved_tensors
        flat_A, flat_B = A.flatten(1), B.flatten(1)
        grad_x = grad_A = grad_B = None
        g = rows.as_rows(g, ctx.channels_first)
        with autocast_off(g.device):
            if ctx.needs_input_grad[3] or ctx.needs_input_grad[4]:
                small = _scaled(flat_A, flat_B, ctx.scaling, g.dtype)
                grad_A, grad_B = _row_gradients(ctx, made_of, hidden, g, *small)
                grad_A, grad_B = grad_A.to(A.dtype).view(A.shape), grad_B.to(B.dtype).reshape(B.shape)
            if ctx.needs_input_grad[0]:  # last, so that the layer below finds it in the processor's cache
                ready = _ready(kept, ctx.product, weight, A, B, ctx.scaling, g.dtype)
                layer = flat_A, flat_B, ctx.scaling, ctx.shape, ctx.channels_first
                grad_x = rows.grad_input(ctx.product, g, ready, *layer)
        return grad_x, None, None, grad_A, grad_B, *(None,) * (len(ctx.needs_input_grad) - 5)


def _row_gradients(
    ctx: Any, made_of: list[Tensor], hidden: Tensor | None, g: Tensor, A: Tensor, B: Tensor
) -> tuple[Tensor, Tensor]:
    """The gradients of A and B, of `RowsFunction`."""
    if ctx.recipe is None:
        return rows.GRADIENTS[ctx.gradient](rows.as_rows(made_of[0], ctx.channels_first), g, A, B)
    if hidden is not None and not torch.is_grad_enabled():  # a second derivative must reach A through hidden
        return normalized(made_of, hidden, g, B)
    x = ctx.recipe.rows(made_of, ctx.channels_first)
    return rows.gradients_in_pieces("low_rank" if hidden is not None else ctx.gradient, x, g, A, B)


class ConvFunction(Function):
    """A convolution: x is (N, in, size...), the weight (out, in/groups, k...), A (r, in/groups, k...),
    B (out, r, 1...)."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        A: Tensor,
        B: Tensor,
        kept: Tensor | None,
        scaling: float,
        geometry: Geometry,
        product: str,
        gradient: str,
    ) -> Tensor:
        ctx.scaling, ctx.geometry, ctx.product, ctx.gradient = scaling, geometry, product, gradient
        ctx.save_for_backward(x, weight, A, B, kept)
        ready = _ready(kept, product, weight, A, B, scaling, x.dtype)
        return convs.forward(product, x, ready, bias, A, B, scaling, geometry)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, A, B, kept = ctx.saved_tensors
        grad_x = grad_A = grad_B = None
        with autocast_off(g.device):
            if ctx.needs_input_grad[3] or ctx.needs_input_grad[4]:
                small = _scaled(A, B.flatten(1), ctx.scaling, g.dtype)
                grad_A, grad_B = conv_gradients.GRADIENTS[ctx.gradient](x, g, *small, ctx.geometry)
                grad_A, grad_B = grad_A.to(A.dtype), grad_B.to(B.dtype).view(B.shape)
            if ctx.needs_input_grad[0]:  # last, as above
                ready = _ready(kept, ctx.product, weight, A, B, ctx.scaling, g.dtype)
                grad_x = convs.grad_input(ctx.product, g, x, ready, A, B, ctx.scaling, ctx.geometry)
        return grad_x, None, None, grad_A, grad_B, None, None, None, None, None


class SubsampleFunction(Function):
    """Every stride-th pixel of x (N, channels, size...), channels_last: what a 1 x 1 convolution with a
    stride reads. Backwards zeros stand between them, made in one pass and in the same memory format."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, stride: tuple[int, ...]) -> Tensor:
        ctx.size, ctx.stride = x.shape[2:], stride
        return convs.subsample(x, stride)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        return convs.spread(g, ctx.size, ctx.stride), None


class FrozenConvFunction(Function):
    """A frozen convolution of which only the gradient of x is wanted; x itself is not kept."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry, product: str
    ) -> Tensor:
        ctx.geometry, ctx.product = geometry, product
        ctx.shape, ctx.last = x.shape, convs.is_channels_last(x)
        ctx.save_for_backward(weight)
        return convs.conv(x, weight, bias, *geometry)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        (weight,) = ctx.saved_tensors
        with autocast_off(g.device):
            grad = convs.frozen_grad_input(ctx.product, g, ctx.shape, ctx.last, weight, ctx.geometry)
        return grad, None, None, None, None


def _ready(
    kept: Tensor | None,
    product: str,
    weight: Tensor,
    A: Tensor,
    B: Tensor,
    scaling: float,
    dtype: torch.dtype,
) -> Tensor:
    if kept is None or torch.is_grad_enabled():  # a second derivative must reach A and B through it
        return ready_weight(product, weight, A, B, scaling, dtype)
    return kept


def _scaled(A: Tensor, B: Tensor, scaling: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    if scaling != 1:
        A, B = A * scaling, B * scaling
    return A.to(dtype), B.to(dtype)
