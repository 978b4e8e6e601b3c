"""One adapted layer, computed by the fastest of several equal implementations.

The implementations are in `matmul` (linear layers, convolutions of one pixel) and `convolution`, a layer's
candidates in `candidates`, the choice in `autotune`. PyTorch's own operations compute a layer in `torch.func`
transforms and `torch.jit.trace`, where the base is trained, and on an accelerator (faster on an H100).

Nothing is kept for the backward pass but x, A and B: the merged weight is computed again there. Where x can
be recomputed from what the module below keeps, that is kept instead of x (`recompute`). The autograd
functions compute in the type of x, with differentiable operations: second derivatives work, slowly.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional as F

from visionlora.kernels.candidates import Computation, frozen_implementation, implementations
from visionlora.kernels.convolution import LAST, Geometry, conv, grad_input, is_channels_last, pad_extra
from visionlora.kernels.matmul import MatrixProduct, has_onednn
from visionlora.kernels.recompute import recipe_for
from visionlora.kernels.tensors import FrozenWeight, LayerTensors, autocast_off, merged_weight, transformed


def adapted_conv(x: Tensor, layer: LayerTensors, geometry: Geometry) -> Tensor:
    """A convolution of 1, 2 or 3 dimensions with its adapter: x is (N, in, size...) or (in, size...)."""
    if not _trains(x, layer):
        return conv(x, merged_weight(layer), layer.bias, geometry)
    if x.ndim < len(layer.weight.shape):
        return adapted_conv(x.unsqueeze(0), layer, geometry).squeeze(0)
    x, layer = autocast(x), _autocast_bias(layer)
    with autocast_off(x.device):
        x, geometry = pad_extra(x, geometry)
        if is_matmul(x, layer.weight, geometry):
            if max(geometry.stride) > 1:
                # The pixels that it reads. Indexing has a slower backward pass, not in channels_last.
                x = F.avg_pool2d(x, 1, geometry.stride)
            return _matrix_product(x, layer, channels_first=True)
        return _apply(x, layer, geometry)


def adapted_linear(x: Tensor, layer: LayerTensors) -> Tensor:
    """A linear layer with its adapter: x is (..., in)."""
    if not _trains(x, layer):
        return F.linear(x, merged_weight(layer), layer.bias)
    x, layer = autocast(x), _autocast_bias(layer)
    with autocast_off(x.device):
        return _matrix_product(x, layer, channels_first=False)


def frozen_conv(x: Tensor, weight: FrozenWeight, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """A frozen convolution. With groups its input is not kept, and its input's gradient is computed by the
    fastest implementation."""
    frozen = _is_frozen(x, weight, bias) and x.requires_grad
    if not (frozen and geometry.groups > 1 and x.ndim == len(weight.shape)):
        return conv(x, weight.operand(), bias, geometry)
    x, bias = autocast(x), None if bias is None else autocast(bias)
    with autocast_off(x.device):
        x, geometry = pad_extra(x, geometry)
        name = frozen_implementation(x, weight, geometry)
        return FrozenConvFunction.apply(x, weight, bias, geometry, name)


def conv_branch(x: Tensor, A: Tensor, B: Tensor, scaling: float, geometry: Geometry) -> Tensor:
    """The adapter's own part of a convolution's output, for an input of its own (dropout): two convolutions.
    Every group reads its own channels with the same A, and B's rows belong to the group of their output."""
    repeated = A.repeat(geometry.groups, *(1,) * (A.ndim - 1)) if geometry.groups > 1 else A
    hidden = conv(x.to(A.dtype), repeated, None, geometry)
    ones = (1,) * len(geometry.stride)
    return conv(hidden, B * scaling, None, Geometry(ones, (0,) * len(ones), ones, geometry.groups))


def linear_branch(x: Tensor, A: Tensor, B: Tensor, scaling: float) -> Tensor:
    """The adapter's own part of a linear layer's output, for an input of its own (dropout)."""
    return F.linear(F.linear(x.to(A.dtype), A), B * scaling)


def _trains(x: Tensor, layer: LayerTensors) -> bool:
    """Whether our gradients are wanted."""
    trained = x.requires_grad or layer.A.requires_grad or layer.B.requires_grad
    return trained and _is_frozen(x, layer.weight, layer.bias)


def _is_frozen(x: Tensor, weight: FrozenWeight, bias: Tensor | None) -> bool:
    """Whether autograd records our own functions, there is something to compute, and the base is frozen. Of
    a quantised weight they keep no dense copy: it is computed by them on an accelerator too."""
    ours = x.device.type == "cpu" or isinstance(weight, Tensor)
    trained = weight.requires_grad or (bias is not None and bias.requires_grad)
    return ours and torch.is_grad_enabled() and not transformed() and not trained and x.numel() > 0


def autocast(t: Tensor) -> Tensor:
    device, amp = t.device.type, torch.amp
    enabled = amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
    return t.to(torch.get_autocast_dtype(device)) if enabled and t.dtype != torch.double else t


def _autocast_bias(layer: LayerTensors) -> LayerTensors:
    return layer if layer.bias is None else layer._replace(bias=autocast(layer.bias))


def is_matmul(x: Tensor, weight: FrozenWeight, geometry: Geometry) -> bool:
    """Whether it is a matrix product; with a stride only where that is known to be faster (2 % of a ResNet50
    step in bfloat16), with a dilation never: PyTorch rounds a dilated pixel in another way."""
    plain = geometry.groups == max(*weight.shape[2:], *geometry.dilation) == 1 and not any(geometry.padding)
    return plain and is_channels_last(x) and (max(geometry.stride) == 1 or (x.ndim == 4 and has_onednn(x)))


def _matrix_product(x: Tensor, layer: LayerTensors, channels_first: bool) -> Tensor:
    recipe, sources = recipe_for(x, channels_first)
    return _apply(x, layer, MatrixProduct(channels_first, recipe), *sources)


def _apply(x: Tensor, layer: LayerTensors, computation: Computation, *sources: Tensor) -> Tensor:
    names = implementations(x, layer, computation, sources)
    return AdaptedFunction.apply(x, *layer, computation, *names, *sources)


class AdaptedFunction(Function):
    """An adapted layer, computed by these implementations of a matrix product or a convolution. With a recipe
    for x the `sources` are what it is recomputed from.

    The output is a tensor of its own, not a view of one: what follows may write into it at no cost. So is
    the gradient of x: autograd adds others to it in place.

    `forward` takes its context too: beside a `setup_context` PyTorch reads the signature again in every call,
    which took longer than a small layer.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: FrozenWeight, bias: Tensor | None, A: Tensor, B: Tensor, scaling: float,
        computation: Computation, product: str, gradient: str, *sources: Tensor,
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
        ctx.shape, ctx.last = x.shape, is_channels_last(x)
        return conv(x, weight.dense(x.dtype), bias, geometry)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        memory_format = LAST[len(ctx.shape)] if ctx.last else torch.contiguous_format
        like = torch.empty(ctx.shape, dtype=g.dtype, device=g.device, memory_format=memory_format)
        with autocast_off(g.device):
            dense = ctx.weight.dense(g.dtype)
            return grad_input(ctx.product, g, like, dense, ctx.geometry), None, None, None, None
