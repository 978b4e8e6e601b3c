"""Convolutions and linear layers with a weight that is frozen, or computed: PyTorch's gradient of the whole
weight, and the products by the fastest of the implementations that LoRA's layers have.

So a family that has nothing but a weight costs one more product than LoRA, not slower ones.
"""

from __future__ import annotations

from math import prod
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional as F

from visionlora.frozen.packed import PackedWeight
from visionlora.frozen.weight import DenseWeight
from visionlora.kernels import FrozenWeight, Geometry, conv, convolution
from visionlora.kernels.autotune import choose, is_too_small, remembered
from visionlora.kernels.candidates import (
    Computation,
    conv_products,
    matrix_products,
    request_for,
    work_of,
)
from visionlora.kernels.convolution import (
    gradients_for,
    is_channels_last,
    output_size,
    pad_extra,
)
from visionlora.kernels.layers import autocast, is_matmul
from visionlora.kernels.matmul import MatrixProduct, weight_gradient
from visionlora.kernels.tensors import LAST, autocast_off, transformed

Weight = Tensor | FrozenWeight
"""A tensor with a gradient, or a frozen weight that is made where it is used."""


def frozen_conv(x: Tensor, weight: FrozenWeight, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """A frozen convolution. With groups its input is not kept, and its input's gradient is computed by the
    fastest implementation."""
    trained, batched = weight.requires_grad or not x.requires_grad, x.ndim == len(weight.shape)
    accelerated = x.device.type != "cpu" and not isinstance(weight, PackedWeight)
    if geometry.groups == 1 or trained or not batched or accelerated or not _records(x, weight, bias):
        return conv(x, weight.operand(), bias, geometry)
    x, bias = autocast(x), autocast(bias)
    with autocast_off(x.device):
        return _apply(*pad_extra(x, geometry), weight, bias)


def computed_conv(x: Tensor, weight: Weight, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """A convolution of x, (N, in, size...)."""
    if not _records(x, weight, bias) or x.ndim < len(weight.shape):
        return conv(x, _operand(weight), bias, geometry)
    x, weight, bias = _prepared(x, weight, bias)
    with autocast_off(x.device):
        x, geometry = pad_extra(x, geometry)
        if is_matmul(x, cast(FrozenWeight, weight), geometry):  # a tensor has all that it reads
            if max(geometry.stride) > 1:
                x = F.avg_pool2d(x, 1, geometry.stride)  # the pixels that it reads
            return _apply(x, MatrixProduct(channels_first=True), weight, bias)
        return _apply(x, geometry, weight, bias)


def computed_linear(x: Tensor, weight: Weight, bias: Tensor | None) -> Tensor:
    """A linear layer of x, (..., in)."""
    if not _records(x, weight, bias):
        return F.linear(x, _operand(weight), bias)
    x, weight, bias = _prepared(x, weight, bias)
    with autocast_off(x.device):
        return _apply(x, MatrixProduct(channels_first=False), weight, bias)


def _records(x: Tensor, weight: Weight, bias: Tensor | None) -> bool:
    """Whether our gradients are wanted: not inside a transform or a compiler, nor of a bias."""
    special = transformed() or torch.compiler.is_compiling()
    if special or not torch.is_grad_enabled() or not x.numel() or (bias is not None and bias.requires_grad):
        return False
    little = is_too_small(work_of(x, weight)) and (isinstance(weight, Tensor) or weight.is_stored)
    return (x.requires_grad or weight.requires_grad) and not little


def _prepared(x: Tensor, weight: Weight, bias: Tensor | None) -> tuple[Tensor, Weight, Tensor | None]:
    """In autocast's types, and a weight without a gradient as a frozen one."""
    if isinstance(weight, Tensor):
        weight = autocast(weight) if weight.requires_grad else DenseWeight(weight)
    return autocast(x), weight, autocast(bias)


def _operand(weight: Weight) -> Tensor:
    return weight if isinstance(weight, Tensor) else weight.operand()


def _dense(weight: Weight, dtype: torch.dtype) -> Tensor:
    if isinstance(weight, Tensor) and not isinstance(weight, PackedWeight):
        return weight.to(dtype)
    return weight.dense(dtype)


def _apply(x: Tensor, computation: Computation, weight: Weight, bias: Tensor | None) -> Tensor:
    return ComputedWeightFunction.apply(x, weight, bias, computation, _product(x, weight, bias, computation))


def _product(x: Tensor, weight: Weight, bias: Tensor | None, computation: Computation) -> str:
    """The implementation of the output and of the input's gradient."""
    request = request_for(
        computation.flatten(x), cast(FrozenWeight, weight), 0, computation, bias is not None
    )

    def decide() -> str:
        shape = weight.shape
        if isinstance(computation, Geometry):
            rows = x.shape[0] * prod(output_size(x, shape[2:], computation))
            names, rule = conv_products(x, shape, computation)
        else:
            rows = x.numel() // shape[1]
            names, rule = matrix_products(x, rows, shape, bias is not None)
            names, rule = (names, rule) if rule != "branch" else (["matmul"], "matmul")
        return choose("computed weight product", request, names, run, rule, rows * prod(shape), x.device)

    def run(name: str) -> None:
        y = computation.forward(name, x, _dense(weight, x.dtype), bias)
        if x.requires_grad:
            computation.grad_input(name, computation.flatten(y), x, _dense(weight, x.dtype))

    return remembered(("computed weight", *request), decide)


class ComputedWeightFunction(Function):
    """A convolution or matrix product with this weight. x is kept where the weight gets a gradient, and a
    frozen weight is made again in the backward pass."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Weight, bias: Tensor | None, computation: Computation, product: str
    ) -> Tensor:
        ctx.computation, ctx.product, ctx.shape, ctx.last = computation, product, x.shape, is_channels_last(x)
        trained = ctx.needs_input_grad[1]
        ctx.weight = None if trained else weight
        ctx.save_for_backward(*((x, weight) if trained else ()))
        return computation.forward(product, x, _dense(weight, x.dtype), bias)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        grad_x = grad_weight = None
        flat = ctx.computation.flatten(g)
        with autocast_off(g.device):
            if ctx.weight is None:
                x, weight = ctx.saved_tensors
                grad_weight = _weight_gradient(flat, x, weight, ctx.computation)
            else:
                weight = ctx.weight.dense(g.dtype)
                memory_format = LAST[len(ctx.shape)] if ctx.last else torch.contiguous_format
                x = torch.empty(ctx.shape, dtype=g.dtype, device=g.device, memory_format=memory_format)
            if ctx.needs_input_grad[0]:
                grad_x = ctx.computation.grad_input(ctx.product, flat, x, weight)
        return grad_x, grad_weight, None, None, None


def _weight_gradient(g: Tensor, x: Tensor, weight: Tensor, computation: Computation) -> Tensor:
    if isinstance(computation, Geometry):
        wide = gradients_for(x, weight, computation)[0] == "columns"
        return convolution.weight_gradient(x, g, weight, computation, at_once=3 if wide else 0)
    return weight_gradient(computation.flatten(x), g).reshape(weight.shape)
