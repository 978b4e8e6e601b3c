"""The autograd functions: merged forward, input gradient through the same weight, the adapter's gradients.

Nothing is kept for the backward pass but x and the parameters: the merged weight is computed again there. Where
x can be recomputed from what the module below keeps, that is kept instead of x (`recompute`). They compute in
the type of x; autocast is the caller's matter. All of it is made of differentiable operations, so second
derivatives work, slowly. The frozen weight gets no gradient.

Each `forward` takes its context too: beside a `setup_context` PyTorch reads the signature anew in every call,
which took longer than a small layer.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from visionlora.kernels import conv_gradients, convolution, matmul
from visionlora.kernels.merge import autocast_off, merged_weight
from visionlora.kernels.onednn import linear
from visionlora.kernels.recompute import NORMALIZED, Recipe, normalized
from visionlora.kernels.tensors import FrozenWeight, Geometry, LayerTensors


class LinearFunction(Function):
    """A layer that is one matrix product. The weight is (out, in, 1...), A (r, in, 1...), B (out, r, 1...); x is
    (..., in) or, channels first, (N, in, size...) in channels_last. Where there is a recipe, x is recomputed
    from the `sources`.

    The output is a tensor of its own, not a view of one: what follows may write into it at no cost. So is
    the gradient of x: autograd adds others to it in place.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: FrozenWeight,
        bias: Tensor | None,
        A: Tensor,
        B: Tensor,
        scaling: float,
        channels_first: bool,
        product: str,
        gradient: str,
        recipe: Recipe | None,
        *sources: Tensor,
    ) -> Tensor:
        layer = LayerTensors(weight, bias, A, B, scaling)
        ctx.weight, ctx.scaling, ctx.channels_first, ctx.shape = weight, scaling, channels_first, x.shape
        ctx.product, ctx.gradient, ctx.recipe = product, gradient, recipe
        hidden = None
        if gradient == NORMALIZED:
            small_A, _ = scaled_factors(layer, x.dtype)
            hidden = linear(small_A.flatten(1), matmul.as_rows(x, channels_first))
        ctx.save_for_backward(A, B, hidden, *(sources if recipe else (x,)))
        dense = matmul.weight_for(product, layer, x.dtype)
        return matmul.forward(product, x, dense, layer, channels_first)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        A, B, hidden, *sources = ctx.saved_tensors
        layer = LayerTensors(ctx.weight, None, A, B, ctx.scaling)
        grad_x = grad_A = grad_B = None
        g = matmul.as_rows(g, ctx.channels_first)
        with autocast_off(g.device):
            if ctx.needs_input_grad[3] or ctx.needs_input_grad[4]:
                small_A, small_B = scaled_factors(layer, g.dtype)
                grad_A, grad_B = _linear_gradients(ctx, sources, hidden, g, small_A.flatten(1), small_B)
                grad_A, grad_B = grad_A.to(A.dtype).view(A.shape), grad_B.to(B.dtype).reshape(B.shape)
            if ctx.needs_input_grad[0]:  # last, so that the layer below finds it in the processor's cache
                dense = matmul.weight_for(ctx.product, layer, g.dtype)
                grad_x = matmul.grad_input(ctx.product, g, dense, layer, ctx.shape, ctx.channels_first)
        return grad_x, None, None, grad_A, grad_B, *(None,) * (len(ctx.needs_input_grad) - 5)


def _linear_gradients(
    ctx: Any, sources: list[Tensor], hidden: Tensor | None, g: Tensor, A: Tensor, B: Tensor
) -> tuple[Tensor, Tensor]:
    """The gradients of A and B, of `LinearFunction`."""
    if ctx.recipe is None:
        return matmul.GRADIENTS[ctx.gradient](matmul.as_rows(sources[0], ctx.channels_first), g, A, B)
    if hidden is not None and not torch.is_grad_enabled():  # a second derivative must reach A through hidden
        return normalized(sources, hidden, g, B)
    x = ctx.recipe.rows(sources, ctx.channels_first)
    return matmul.gradients_in_pieces("low_rank" if hidden is not None else ctx.gradient, x, g, A, B)


class ConvFunction(Function):
    """A convolution: x is (N, in, size...), the weight (out, in/groups, k...), A (r, in/groups, k...),
    B (out, r, 1...)."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: FrozenWeight,
        bias: Tensor | None,
        A: Tensor,
        B: Tensor,
        scaling: float,
        geometry: Geometry,
        product: str,
        gradient: str,
    ) -> Tensor:
        ctx.weight, ctx.scaling, ctx.geometry = weight, scaling, geometry
        ctx.product, ctx.gradient = product, gradient
        ctx.save_for_backward(x, A, B)
        dense = merged_weight(LayerTensors(weight, bias, A, B, scaling), x.dtype)
        return convolution.forward(product, x, dense, bias, geometry)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        x, A, B = ctx.saved_tensors
        layer = LayerTensors(ctx.weight, None, A, B, ctx.scaling)
        grad_x = grad_A = grad_B = None
        with autocast_off(g.device):
            if ctx.needs_input_grad[3] or ctx.needs_input_grad[4]:
                factors = scaled_factors(layer, g.dtype)
                grad_A, grad_B = conv_gradients.GRADIENTS[ctx.gradient](x, g, *factors, ctx.geometry)
                grad_A, grad_B = grad_A.to(A.dtype), grad_B.to(B.dtype).view(B.shape)
            if ctx.needs_input_grad[0]:  # last, as above
                dense = merged_weight(layer, g.dtype)
                grad_x = convolution.grad_input(ctx.product, g, x, dense, ctx.geometry)
        return grad_x, None, None, grad_A, grad_B, *(None,) * 4


class SubsampleFunction(Function):
    """Every stride-th pixel of x (N, channels, size...), channels_last: what a 1 x 1 convolution with a
    stride reads. In the backward pass zeros stand between them, made in one pass and in the same memory
    format."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, stride: tuple[int, ...]) -> Tensor:
        ctx.size, ctx.stride = x.shape[2:], stride
        return convolution.subsample(x, stride)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        return convolution.spread(g, ctx.size, ctx.stride), None


class FrozenConvFunction(Function):
    """A frozen convolution of which only the gradient of x is wanted; x itself is not kept."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: FrozenWeight, bias: Tensor | None, geometry: Geometry, product: str
    ) -> Tensor:
        ctx.weight, ctx.geometry, ctx.product = weight, geometry, product
        ctx.shape, ctx.last = x.shape, convolution.is_channels_last(x)
        return convolution.conv(x, weight.dense(x.dtype), bias, geometry)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        memory_format = convolution.LAST[len(ctx.shape)] if ctx.last else torch.contiguous_format
        like = torch.empty(ctx.shape, dtype=g.dtype, device=g.device, memory_format=memory_format)
        with autocast_off(g.device):
            grad = convolution.grad_input(ctx.product, g, like, ctx.weight.dense(g.dtype), ctx.geometry)
        return grad, None, None, None, None


def scaled_factors(layer: LayerTensors, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """A, and B as (out, r), as the gradients take them: times the scaling, in this type."""
    A, B = layer.A, layer.B.flatten(1)
    if layer.scaling != 1:
        A, B = A * layer.scaling, B * layer.scaling
    return A.to(dtype), B.to(dtype)
