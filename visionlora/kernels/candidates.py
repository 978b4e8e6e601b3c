"""The implementations that come into question for a layer and an input, and the one that the rule takes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from math import prod

import torch
from torch import Tensor

from visionlora.kernels import conv_gradients, convolution, matmul, winograd
from visionlora.kernels.autotune import choose, remembered
from visionlora.kernels.functions import scaled_factors
from visionlora.kernels.matmul import has_onednn
from visionlora.kernels.merge import merged_weight
from visionlora.kernels.recompute import Recipe
from visionlora.kernels.tensors import FrozenWeight, Geometry, LayerTensors

_LANES = 16  # a product with fewer columns takes as long as one with this many
_WORTHWHILE = 4  # the full weight gradient comes into question up to this many times the low-rank work
_HUGE = 64  # only the branch is for weights of this many times the numbers of input and output

_GRADIENTS = (*matmul.GRADIENTS, *conv_gradients.GRADIENTS)
NAMES = tuple(dict.fromkeys((*matmul.PRODUCTS, *convolution.PRODUCTS, *_GRADIENTS)))
"""Every implementation's name, for `autotune.implementation`."""


def linear_implementations(
    x: Tensor,
    layer: LayerTensors,
    recipe: Recipe | None = None,
    sources: Sequence[Tensor] = (),
    channels_first: bool = False,
) -> tuple[str, str]:
    """Product and gradient of `matmul` for x (M, in). With a recipe x is recomputed from the `sources` for
    the gradient."""
    bias = "no bias" if layer.bias is None else "bias"
    request = _request(x, layer.weight, layer.rank, bias, "kept" if recipe is None else recipe.module)
    return remembered(request, lambda: _linear(request, x, layer, recipe, sources, channels_first))


def _linear(
    request: Hashable,
    x: Tensor,
    layer: LayerTensors,
    recipe: Recipe | None,
    sources: Sequence[Tensor],
    channels_first: bool,
) -> tuple[str, str]:
    (m, i), o, r = x.shape, layer.weight.shape[0], layer.rank
    work, thin = m * i * o, 2 * m * (i + o) * _lanes(r)
    products = ["matmul"] + ["onednn"] * has_onednn(x)
    if _HUGE * m * (i + o) < i * o:
        products = ["branch"]  # a merged weight of this size is not even made to be timed
    fused = "onednn" in products and x.dtype == torch.bfloat16 and layer.bias is not None
    product_rule = "onednn" if fused else products[0]
    gradients = ["low_rank"] + ["full"] * (work <= _WORTHWHILE * thin)
    gradient_rule = "full" if work < thin else "low_rank"
    made: list[Tensor] = []

    def g() -> Tensor:
        made[:] = made or [x.new_ones(m, o)]
        return made[0]

    def product(name: str) -> None:
        matmul.forward(name, x, matmul.weight_for(name, layer, x.dtype), layer, False)
        if x.requires_grad:
            weight = matmul.weight_for(name, layer, x.dtype)
            matmul.grad_input(name, g(), weight, layer, x.shape, False)

    def gradient(name: str) -> None:
        A, B = scaled_factors(layer, x.dtype)
        if recipe:
            rows = recipe.rows(sources, channels_first)
            matmul.gradients_in_pieces(name, rows, g(), A.flatten(1), B)
        else:
            matmul.GRADIENTS[name](x, g(), A.flatten(1), B)

    return (
        choose("linear product", request, products, product, product_rule, work, x.device),
        choose("linear gradient", request, gradients, gradient, gradient_rule, work, x.device),
    )


def conv_implementations(x: Tensor, layer: LayerTensors, geometry: Geometry) -> tuple[str, str]:
    """Product of `convolution` and gradient of `conv_gradients` for x (N, in, size...)."""
    request = _request(x, layer.weight, layer.rank, geometry)
    return remembered(request, lambda: _conv(request, x, layer, geometry))


def _conv(request: Hashable, x: Tensor, layer: LayerTensors, geometry: Geometry) -> tuple[str, str]:
    o, i, *kernel = layer.weight.shape
    size = convolution.output_size(x, kernel, geometry)
    pixels, taps = x.shape[0] * prod(size), i * prod(kernel)
    work, thin = pixels * taps * o, 2 * pixels * (taps + o) * _lanes(layer.rank)
    gradients = conv_gradients.gradients_for(x, layer.A, geometry)
    if geometry.groups == 1 and work > _WORTHWHILE * thin:
        gradients.remove("full")
    rule = "full" if geometry.groups == 1 and work < thin else gradients[0]
    made: list[Tensor] = []

    def gradient(name: str) -> None:
        made[:] = made or [convolution.conv(x, merged_weight(layer, x.dtype), None, geometry)]
        conv_gradients.GRADIENTS[name](x, made[0], *scaled_factors(layer, x.dtype), geometry)

    def weight() -> Tensor:
        return merged_weight(layer, x.dtype)

    return (
        _conv_product("conv product", request, x, (o, i, *kernel), weight, geometry),
        choose("conv gradient", request, gradients, gradient, rule, work, x.device),
    )


def frozen_implementation(x: Tensor, weight: FrozenWeight, geometry: Geometry) -> str:
    """Product of `convolution` for a frozen convolution."""
    request, kind = _request(x, weight, 0, geometry), "frozen conv product"
    rest = x, tuple(weight.shape), lambda: weight.dense(x.dtype), geometry
    return remembered(request, lambda: _conv_product(kind, request, *rest))


def _conv_product(
    kind: str,
    request: Hashable,
    x: Tensor,
    shape: tuple[int, ...],
    weight: Callable[[], Tensor],
    geometry: Geometry,
) -> str:
    o, i, *kernel = shape
    products = ["conv"]
    if x.requires_grad and convolution.can_flip(kernel, geometry):
        products.append("flipped")
    if convolution.can_winograd(kernel, geometry) and winograd.pays(x, (o, i)):
        products.append("winograd")
    slow = max(geometry.stride) > 1 and x.device.type == "cpu" and x.dtype != torch.float32
    rule = "flipped" if slow and "flipped" in products else "conv"

    def run(name: str) -> None:
        y = convolution.forward(name, x, weight(), None, geometry)
        if x.requires_grad:
            convolution.grad_input(name, y, x, weight(), geometry)

    work = x.shape[0] * prod(convolution.output_size(x, kernel, geometry)) * prod(shape)
    return choose(kind, request, products, run, rule, work, x.device)


def _request(x: Tensor, weight: FrozenWeight, rank: int, *more: Hashable) -> tuple[Hashable, ...]:
    """All that an implementation's time depends on, beside the machine."""
    last = "channels_last" if convolution.is_channels_last(x) else "contiguous"
    gradient = "input gradient" if x.requires_grad else "no input gradient"
    shapes = tuple(x.shape), "weight", tuple(weight.shape), weight.dtype, "rank", rank
    return x.device.type, x.dtype, last, *shapes, gradient, *more


def _lanes(rank: int) -> int:
    return -(-rank // _LANES) * _LANES
