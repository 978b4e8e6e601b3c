"""The autograd functions: merged forward, input gradient through the same weight, the adapter's gradients.

Nothing is kept for the backward pass but x, A and B: the merged weight is computed again there. Where x can
be recomputed from what the module below keeps, that is kept instead of x (`recompute`). They compute in the
type of x; autocast is the caller's matter. All of it is made of differentiable operations, so second
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
from visionlora.kernels.recompute import Recipe
from visionlora.kernels.tensors import FrozenWeight, Geometry, LayerTensors


class LinearFunction(Function):
    """A layer that is one matrix product: the weight is (out, in, 1...), A (r, in, 1...), B (out, r, 1...), x
    is (..., in) or, channels first, (N, in, size...) in channels_last. With a recipe, x is recomputed from
    the `sources`.

    The output is a tensor of its own, not a view of one: what follows may write into it at no cost. So is
    the gradient of x: autograd adds others to it in place.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: FrozenWeight, bias: Tensor | None, A: Tensor, B: Tensor, scaling: float,
        channels_first: bool, product: str, gradient: str, recipe: Recipe | None, *sources: Tensor,
    ) -> Tensor:  # fmt: skip
        ctx.weight, ctx.scaling, ctx.channels_first, ctx.shape = weight, scaling, channels_first, x.shape
        ctx.product, ctx.gradient, ctx.recipe = product, gradient, recipe
        ctx.save_for_backward(A, B, *(sources if recipe else (x,)))
        layer = LayerTensors(weight, bias, A, B, scaling)
        dense = matmul.weight_for(product, layer, x.dtype)
        return matmul.forward(product, x, dense, layer, channels_first)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        A, B, *sources = ctx.saved_tensors
        layer, last = LayerTensors(ctx.weight, None, A, B, ctx.scaling), ctx.channels_first
        grad_x = grad_A = grad_B = None
        g = matmul.as_rows(g, last)
        with autocast_off(g.device):
            if ctx.needs_input_grad[3] or ctx.needs_input_grad[4]:
                small_A, small_B = scaled_factors(layer, g.dtype)
                factors = small_A.flatten(1), small_B
                if ctx.recipe is None:
                    x = matmul.as_rows(sources[0], last)
                    grad_A, grad_B = matmul.GRADIENTS[ctx.gradient](x, g, *factors)
                else:
                    rows = ctx.recipe.rows(sources, last)
                    grad_A, grad_B = matmul.gradients_in_pieces(ctx.gradient, rows, g, *factors)
                grad_A, grad_B = grad_A.to(A.dtype).view(A.shape), grad_B.to(B.dtype).reshape(B.shape)
            if ctx.needs_input_grad[0]:  # last, so that the layer below finds it in the processor's cache
                dense = matmul.weight_for(ctx.product, layer, g.dtype)
                grad_x = matmul.grad_input(ctx.product, g, dense, layer, ctx.shape, last)
        return grad_x, None, None, grad_A, grad_B, *(None,) * (len(ctx.needs_input_grad) - 5)


class ConvFunction(Function):
    """A convolution: x is (N, in, size...), the weight (out, in/groups, k...), A (r, in/groups, k...),
    B (out, r, 1...)."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: FrozenWeight, bias: Tensor | None, A: Tensor, B: Tensor, scaling: float,
        geometry: Geometry, product: str, gradient: str,
    ) -> Tensor:  # fmt: skip
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
        return grad_x, None, None, grad_A, grad_B, None, None, None, None


class SubsampleFunction(Function):
    """Every stride-th pixel of x (N, channels, size...): what a 1 x 1 convolution with a stride reads. Input,
    output and their gradients are in channels_last."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, stride: tuple[int, ...]) -> Tensor:
        ctx.size, ctx.stride = x.shape[2:], stride
        return x[convolution.every(stride)].contiguous(memory_format=convolution.LAST[x.ndim])

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
            dense = ctx.weight.dense(g.dtype)
            return convolution.grad_input(ctx.product, g, like, dense, ctx.geometry), None, None, None, None


def scaled_factors(layer: LayerTensors, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """A, and B as (out, r), as the gradients take them: times the scaling, in this type."""
    A, B = layer.A, layer.B.flatten(1)
    if layer.scaling != 1:
        A, B = A * layer.scaling, B * layer.scaling
    return A.to(dtype), B.to(dtype)
