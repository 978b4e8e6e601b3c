"""The implementations that come into question for a layer and an input, and the one that the rule takes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import cache, partial
from math import prod

import torch
from torch import Tensor

from visionlora.kernels import conv_gradients, convolution, matmul, winograd
from visionlora.kernels.autotune import choose, remembered
from visionlora.kernels.functions import scaled_factors
from visionlora.kernels.merge import merged_weight
from visionlora.kernels.onednn import has_onednn, linear
from visionlora.kernels.recompute import NORMALIZED, Recipe, normalized
from visionlora.kernels.tensors import FrozenWeight, Geometry, LayerTensors

_LANES = 16  # a product with fewer columns takes as long as one with this many
_WORTHWHILE = 4  # the full weight gradient comes into question up to this many times the low-rank work
_HUGE = 64  # only the branch is for weights of this many times the numbers of input and output

NAMES = tuple(
    dict.fromkeys(
        (*matmul.PRODUCTS, *matmul.GRADIENTS, NORMALIZED, *convolution.PRODUCTS, *conv_gradients.GRADIENTS)
    )
)
"""Every implementation's name, for `autotune.implementation`."""


def linear_implementations(
    x: Tensor,
    layer: LayerTensors,
    recipe: Recipe | None = None,
    sources: Sequence[Tensor] = (),
    channels_first: bool = False,
) -> tuple[str, str]:
    """Product and gradient of `matmul` for x (M, in). With a recipe x is recomputed from the `sources` for the
    gradient."""
    request = (*_request(x, layer.weight, layer.rank), layer.bias is None, recipe and recipe.module)
    return remembered(request, lambda: _linear(x, layer, recipe, sources, channels_first))


def _linear(
    x: Tensor, layer: LayerTensors, recipe: Recipe | None, sources: Sequence[Tensor], channels_first: bool
) -> tuple[str, str]:
    (m, i), o, r = x.shape, layer.weight.shape[0], layer.rank
    work, thin = m * i * o, 2 * m * (i + o) * _lanes(r)
    products = ["matmul"] + ["onednn"] * has_onednn(x)
    if _HUGE * m * (i + o) < i * o:
        products = ["branch"]  # a merged weight of this size is not even made to be timed
    fused = "onednn" in products and x.dtype == torch.bfloat16 and layer.bias is not None
    gradients = [name for name in matmul.GRADIENTS if name != "full" or work <= _WORTHWHILE * thin]
    if recipe and recipe.can_be_normalized:
        gradients.append(NORMALIZED)
    low_rank = "low_rank_wide" if has_onednn(x) else "low_rank"

    @cache
    def g() -> Tensor:
        return x.new_ones(m, o)

    def product(name: str) -> None:
        matmul.forward(name, x, matmul.weight_for(name, layer, x.dtype), layer, False)
        if x.requires_grad:
            weight = matmul.weight_for(name, layer, x.dtype)
            matmul.grad_input(name, g(), weight, layer, x.shape, False)

    def gradient(name: str) -> None:
        A, B = scaled_factors(layer, x.dtype)
        A = A.flatten(1)
        if name == NORMALIZED:
            normalized(sources, linear(A, x), g(), B)
        elif recipe:
            matmul.gradients_in_pieces(name, recipe.rows(sources, channels_first), g(), A, B)
        else:
            matmul.GRADIENTS[name](x, g(), A, B)

    key = f"{_kind(x)} {m} x {i} -> {o} rank {r}{' input gradient' * x.requires_grad}"
    return _choose(
        "linear",
        (f"{key}{' bias' * (layer.bias is not None)}", products, product, "onednn" if fused else "matmul"),
        (
            f"{key}{f' recomputed by {recipe.module}' if recipe else ''}",
            gradients,
            gradient,
            "full" if work < thin else NORMALIZED if NORMALIZED in gradients else low_rank,
        ),
        work,
        x.device,
    )


def conv_implementations(x: Tensor, layer: LayerTensors, geometry: Geometry) -> tuple[str, str]:
    """Product of `convolution` and gradient of `conv_gradients` for x (N, in, size...)."""
    request = (*_request(x, layer.weight, layer.rank), geometry)
    return remembered(request, lambda: _conv(x, layer, geometry))


def _conv(x: Tensor, layer: LayerTensors, geometry: Geometry) -> tuple[str, str]:
    o, *taps_shape = layer.weight.shape
    r, kernel, groups = layer.rank, taps_shape[1:], geometry.groups
    pixels, taps = x.shape[0] * prod(convolution.output_size(x, kernel, geometry)), prod(taps_shape)
    work, thin = pixels * taps * o, 2 * pixels * (taps + o) * _lanes(r)
    products = _conv_products(x, kernel, geometry)
    if convolution.can_winograd(kernel, geometry) and winograd.pays(x, (o, taps_shape[0])):
        products.append("winograd")
    gradients = conv_gradients.gradients_for(x, layer.A, geometry)
    if groups == 1 and work > _WORTHWHILE * thin:
        gradients.remove("full")
    rule = "full" if groups == 1 and work < thin else gradients[0]

    @cache
    def g() -> Tensor:
        return convolution.forward("conv", x, merged_weight(layer, x.dtype), None, geometry)

    def product(name: str) -> None:
        convolution.forward(name, x, merged_weight(layer, x.dtype), None, geometry)
        if x.requires_grad:
            convolution.grad_input(name, g(), x, merged_weight(layer, x.dtype), geometry)

    def gradient(name: str) -> None:
        conv_gradients.GRADIENTS[name](x, g(), *scaled_factors(layer, x.dtype), geometry)

    key = f"{_conv_key(x, o, kernel, geometry)} rank {r}{' input gradient' * x.requires_grad}"
    products_rule = _product_rule(x, products, geometry)
    return _choose(
        "conv",
        (key, products, product, products_rule),
        (key, gradients, gradient, rule),
        work,
        x.device,
    )


def frozen_implementation(x: Tensor, weight: FrozenWeight, geometry: Geometry) -> str:
    """The implementation of a frozen convolution's output and input gradient."""
    request = (*_request(x, weight, 0), geometry)
    return remembered(request, lambda: _frozen(x, weight, geometry))


def _frozen(x: Tensor, weight: FrozenWeight, geometry: Geometry) -> str:
    o, _, *kernel = weight.shape
    products = _conv_products(x, kernel, geometry)
    size = convolution.output_size(x, kernel, geometry)

    @cache
    def g() -> Tensor:
        return torch.ones_like(convolution.conv(x, weight.dense(x.dtype), None, geometry))

    return choose(
        "frozen conv product",
        _conv_key(x, o, kernel, geometry),
        {
            name: partial(
                lambda name: convolution.grad_input(name, g(), x, weight.dense(x.dtype), geometry), name
            )
            for name in products
        },
        _product_rule(x, products, geometry),
        x.shape[0] * prod(size) * prod(weight.shape),
        x.device,
    )


_Question = tuple[str, Sequence[str], Callable[[str], None], str]  # key, candidates, run one, the rule's


def _choose(
    kind: str, product: _Question, gradient: _Question, work: float, device: torch.device
) -> tuple[str, str]:
    product_name, gradient_name = (
        choose(f"{kind} {part}", key, {name: partial(run, name) for name in names}, rule, work, device)
        for part, (key, names, run, rule) in (("product", product), ("gradient", gradient))
    )
    return product_name, gradient_name


def _conv_products(x: Tensor, kernel: Sequence[int], geometry: Geometry) -> list[str]:
    return ["conv"] + ["flipped"] * (x.requires_grad and convolution.can_flip(kernel, geometry))


def _product_rule(x: Tensor, products: Sequence[str], geometry: Geometry) -> str:
    slow = max(geometry.stride) > 1 and x.device.type == "cpu" and x.dtype != torch.float32
    return "flipped" if slow and "flipped" in products else "conv"


def _request(x: Tensor, weight: FrozenWeight, rank: int) -> tuple[Hashable, ...]:
    """All of these tensors that an implementation's time depends on."""
    kind = x.device, x.dtype, weight.dtype, x.requires_grad, convolution.is_channels_last(x)
    return *kind, tuple(x.shape), tuple(weight.shape), rank


def _lanes(rank: int) -> int:
    return -(-rank // _LANES) * _LANES


def _conv_key(x: Tensor, out: int, kernel: Sequence[int], geometry: Geometry) -> str:
    stride, padding, dilation, groups, _ = geometry
    return (
        f"{_kind(x)} {tuple(x.shape)} -> {out} kernel {tuple(kernel)} stride {stride} padding {padding} "
        f"dilation {dilation} groups {groups}"
    )


def _kind(x: Tensor) -> str:
    layout = " channels_last" if convolution.is_channels_last(x) else ""
    return f"{x.device.type} {str(x.dtype).removeprefix('torch.')}{layout}"
