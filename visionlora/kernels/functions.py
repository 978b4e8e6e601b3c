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

from visionlora.kernels import convolution
from visionlora.kernels.conv_gradients import Convolution
from visionlora.kernels.matmul import MatrixProduct
from visionlora.kernels.merge import autocast_off
from visionlora.kernels.tensors import FrozenWeight, Geometry, LayerTensors


class AdaptedFunction(Function):
    """An adapted layer, computed by these implementations of a matrix product or a convolution. With a recipe
    for x the `sources` are what it is recomputed from.

    The output is a tensor of its own, not a view of one: what follows may write into it at no cost. So is
    the gradient of x: autograd adds others to it in place.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: FrozenWeight, bias: Tensor | None, A: Tensor, B: Tensor, scaling: float,
        computation: MatrixProduct | Convolution, product: str, gradient: str, *sources: Tensor,
    ) -> Tensor:  # fmt: skip
        ctx.weight, ctx.scaling = weight, scaling
        ctx.computation, ctx.product, ctx.gradient = computation, product, gradient
        ctx.save_for_backward(A, B, *(sources or (x,)))
        return computation.forward(product, x, LayerTensors(weight, bias, A, B, scaling))

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        A, B, *kept = ctx.saved_tensors
        layer = LayerTensors(ctx.weight, None, A, B, ctx.scaling)
        grad_x = grad_A = grad_B = None
        g = ctx.computation.flatten(g)
        with autocast_off(g.device):
            if ctx.needs_input_grad[3] or ctx.needs_input_grad[4]:
                grad_A, grad_B = ctx.computation.gradients(ctx.gradient, kept, g, layer)
                grad_A, grad_B = grad_A.to(A.dtype).view(A.shape), grad_B.to(B.dtype).reshape(B.shape)
            if ctx.needs_input_grad[0]:  # last, so that the layer below finds it in the processor's cache
                grad_x = ctx.computation.grad_input(ctx.product, g, kept[0], layer)
        return grad_x, None, None, grad_A, grad_B, *(None,) * (len(ctx.needs_input_grad) - 5)


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
