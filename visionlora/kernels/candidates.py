"""The implementations that come into question for a layer and an input, and the one that the rule takes."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import chain
from math import prod

import torch
from torch import Tensor

from visionlora.kernels import convolution, matmul, winograd
from visionlora.kernels.autotune import choose, remembered
from visionlora.kernels.convolution import Geometry
from visionlora.kernels.matmul import MatrixProduct
from visionlora.kernels.tensors import FrozenWeight, LayerTensors

Computation = MatrixProduct | Geometry

_LANES = 16  # a product with fewer columns takes as long as one with this many
_WORTHWHILE = 4  # the full weight gradient comes into question up to this many times the low-rank work
_HUGE = 64  # only the branch is for weights of this many times the numbers of input and output

_ALL = matmul.PRODUCTS, convolution.PRODUCTS, matmul.GRADIENTS, convolution.GRADIENTS
NAMES = tuple(dict.fromkeys(chain.from_iterable(_ALL)))
"""Every implementation's name, for `autotune.implementation`."""


def implementations(
    x: Tensor, layer: LayerTensors, computation: Computation, sources: Sequence[Tensor] = ()
) -> tuple[str, str]:
    """The implementations of the product and of the gradient, for x and the `sources` of its recipe."""
    if isinstance(computation, Geometry):
        more: tuple[Hashable, ...] = (computation,)
    else:
        kept = computation.recipe.module if computation.recipe else "kept"
        more = ("no bias" if layer.bias is None else "bias", kept)
    request = request_for(computation.flatten(x), layer.weight, len(layer.A), *more)
    return remembered(request, lambda: _choose(request, x, layer, computation, sources or (x,)))


def _choose(
    request: Hashable, x: Tensor, layer: LayerTensors, computation: Computation, kept: Sequence[Tensor]
) -> tuple[str, str]:
    shape = layer.weight.shape
    if isinstance(computation, Geometry):
        kind, gradients = "conv", convolution.gradients_for(x, layer.A, computation)
        rows = x.shape[0] * prod(convolution.output_size(x, shape[2:], computation))
        products, product_rule = conv_products(x, shape, computation)
    else:
        kind, gradients, rows = "linear", list(matmul.GRADIENTS), x.numel() // shape[1]
        products, product_rule = matrix_products(x, rows, shape, layer.bias is not None)
    columns, lanes = prod(shape[1:]), -(-len(layer.A) // _LANES) * _LANES
    work, low_rank_work = rows * columns * shape[0], 2 * rows * (columns + shape[0]) * lanes
    if "low_rank" in gradients and work > _WORTHWHILE * low_rank_work:
        gradients.remove("full")
    gradient_rule = "full" if "low_rank" in gradients and work < low_rank_work else gradients[0]
    made: list[Tensor] = []

    def product(name: str) -> None:
        y = computation.forward(name, x, layer)
        if x.requires_grad:
            computation.grad_input(name, computation.flatten(y), x, layer)

    def gradient(name: str) -> None:
        made[:] = made or [computation.flatten(computation.forward(products[0], x, layer))]
        computation.gradients(name, kept, made[0], layer)

    return (
        choose(f"{kind} product", request, products, product, product_rule, work, x.device),
        choose(f"{kind} gradient", request, gradients, gradient, gradient_rule, work, x.device),
    )


def frozen_implementation(x: Tensor, weight: FrozenWeight, geometry: Geometry) -> str:
    """The implementation of a frozen convolution."""
    request = request_for(x, weight, 0, geometry)

    def decide() -> str:
        products, rule = conv_products(x, weight.shape, geometry)
        work = x.shape[0] * prod(convolution.output_size(x, weight.shape[2:], geometry)) * prod(weight.shape)
        return choose("frozen conv product", request, products, product, rule, work, x.device)

    def product(name: str) -> None:
        y = convolution.conv(x, weight.dense(x.dtype), None, geometry)
        convolution.grad_input(name, y, x, weight.dense(x.dtype), geometry)

    return remembered(request, decide)


def matrix_products(x: Tensor, rows: int, shape: Sequence[int], bias: bool) -> tuple[list[str], str]:
    """The candidates for a matrix product with a weight of this shape, and the rule's."""
    outputs, inputs = shape[:2]
    if _HUGE * rows * (inputs + outputs) < inputs * outputs:
        return ["branch"], "branch"  # a merged weight of this size is not even made to be timed
    onednn = matmul.has_onednn(x)
    fused = onednn and x.dtype == torch.bfloat16 and bias
    return ["matmul"] + ["onednn"] * onednn, "onednn" if fused else "matmul"


def conv_products(x: Tensor, shape: Sequence[int], geometry: Geometry) -> tuple[list[str], str]:
    """The candidates for a convolution with a weight of this shape, and the rule's."""
    products, kernel = ["conv"], shape[2:]
    if x.requires_grad and convolution.can_flip(kernel, geometry):
        products.append("flipped")
    if convolution.can_winograd(kernel, geometry) and winograd.pays(x, shape[:2]):
        products.append("winograd")
    slow = max(geometry.stride) > 1 and x.device.type == "cpu" and x.dtype != torch.float32
    return products, "flipped" if slow and "flipped" in products else "conv"


def request_for(x: Tensor, weight: FrozenWeight, rank: int, *more: Hashable) -> tuple[Hashable, ...]:
    """All that an implementation's time depends on, beside the machine."""
    last = "channels_last" if convolution.is_channels_last(x) else "contiguous"
    gradient = "input gradient" if x.requires_grad else "no input gradient"
    shapes = tuple(x.shape), "weight", tuple(weight.shape), weight.dtype, "rank", rank
    return x.device.type, x.dtype, last, *shapes, gradient, *more
