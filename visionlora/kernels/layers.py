"""One adapted layer, computed by the fastest of several equal implementations.

The implementations are in `matmul` (linear layers, convolutions of one pixel) and `convolution`, a layer's
candidates in `candidates`, the choice in `autotune`. PyTorch's own operations compute a layer in `torch.func`
transforms and `torch.jit.trace`, where the base is trained, on an accelerator (faster on an H100), and small
layers that take less time so. Otherwise nothing is kept for the backward pass but x, A and B: the merged
weight is computed again there. Where x can be recomputed from what the module below keeps, that is kept
instead (`recompute`). The functions compute in the type of x. Second derivatives work, slowly.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional as F

from visionlora.kernels.candidates import OURS, PLAIN, Computation, faster, implementations
from visionlora.kernels.convolution import Geometry, conv, is_channels_last, pad_extra
from visionlora.kernels.matmul import MatrixProduct, has_onednn
from visionlora.kernels.recompute import recipe_for
from visionlora.kernels.tensors import FrozenWeight, LayerTensors, autocast_off, merged_weight, transformed


def adapted_conv(x: Tensor, layer: LayerTensors, geometry: Geometry) -> Tensor:
    """A convolution of 1, 2 or 3 dimensions with its adapter: x is (N, in, size...) or (in, size...)."""
    if not _trains(x, layer):
        return conv(x, merged_weight(layer), layer.bias, geometry)
    if x.ndim < len(layer.weight.shape):
        return adapted_conv(x.unsqueeze(0), layer, geometry).squeeze(0)
    x, layer = autocast(x), layer._replace(bias=autocast(layer.bias))

    def plain(x: Tensor) -> Tensor:
        return conv(x, merged_weight(layer, x.dtype), layer.bias, geometry)

    def ours(x: Tensor) -> Tensor:
        padded, exact = pad_extra(x, geometry)
        if not is_matmul(padded, layer.weight, exact):
            return _apply(padded, layer, exact)
        if max(exact.stride) > 1:
            # The pixels that it reads. Indexing has a slower backward pass, not in channels_last.
            padded = F.avg_pool2d(padded, 1, exact.stride)
        return _matrix_product(padded, layer, channels_first=True)

    with autocast_off(x.device):
        return faster(x, layer, {OURS: ours, PLAIN: plain}, geometry)(x)


def adapted_linear(x: Tensor, layer: LayerTensors) -> Tensor:
    """A linear layer with its adapter: x is (..., in)."""
    if not _trains(x, layer):
        return F.linear(x, merged_weight(layer), layer.bias)
    x, layer = autocast(x), layer._replace(bias=autocast(layer.bias))
    ours = partial(_matrix_product, layer=layer, channels_first=False)

    def plain(x: Tensor) -> Tensor:
        return F.linear(x, merged_weight(layer, x.dtype), layer.bias)

    with autocast_off(x.device):
        return faster(x, layer, {OURS: ours, PLAIN: plain})(x)


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
    """Whether autograd records functions of our own: the adapter alone is trained, there is something to
    compute, and a CPU to do it. Of a quantised weight they keep no dense copy, on an accelerator too."""
    weight, bias = layer.weight, layer.bias
    ours = x.device.type == "cpu" or isinstance(weight, Tensor)
    wanted = x.requires_grad or layer.A.requires_grad or layer.B.requires_grad
    frozen = not (weight.requires_grad or (bias is not None and bias.requires_grad))
    return ours and wanted and frozen and torch.is_grad_enabled() and not transformed() and x.numel() > 0


def autocast(t: Any) -> Any:
    """A tensor, or None, in the type that autocast computes in."""
    if t is None or t.dtype == torch.double or not torch.amp.is_autocast_available(t.device.type):
        return t
    device = t.device.type
    return t.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else t


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
        operand = LayerTensors(weight, None, A, B, scaling).operand(product, x.dtype)
        return computation.forward(product, x, operand, bias)

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
                operand = layer.operand(ctx.product, g.dtype)
                grad_x = ctx.computation.grad_input(ctx.product, g, kept[0], operand)
        return grad_x, None, None, grad_A, grad_B, *(None,) * (len(ctx.needs_input_grad) - 5)
