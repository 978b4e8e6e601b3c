"""The ways that come into question for a layer and an input, and the one that a rule takes untimed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from math import prod

import torch
from torch import Tensor

from visionlora.kernels import conv as convs
from visionlora.kernels import conv_gradients, winograd
from visionlora.kernels import matmul as rows
from visionlora.kernels.autotune import choose, settled
from visionlora.kernels.conv import Geometry, is_channels_last
from visionlora.kernels.merge import ready_weight
from visionlora.kernels.recompute import NORMALIZED, Recipe, normalized

_LANES = 16  # a product with fewer columns takes as long as one with this many
_WORTHWHILE = 4  # the full weight gradient comes into question up to this many times the low-rank work
_RULE = 64  # only the branch is for weights of this many times the numbers of input and output
_FEW = 2048  # rows or pixels below which making the merged weight takes time worth saving

_ROWS = (*rows.PRODUCTS, *rows.GRADIENTS, NORMALIZED)
_CONVS = ("conv", "flipped", "winograd", *conv_gradients.GRADIENTS)
WAYS = tuple(dict.fromkeys(_ROWS + _CONVS))


def row_ways(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    A: Tensor,
    B: Tensor,
    scaling: float,
    recipe: Recipe | None = None,
    made_of: Sequence[Tensor] = (),
    channels_first: bool = False,
) -> tuple[str, str]:
    """Product and gradient of `rows` for x (M, in), a weight (out, in), A (r, in, 1...) and B (out, r, 1...).

    With a recipe x will be made again for the gradient, of `made_of` (`inputs`).
    """
    request = (*_request(x, weight, A), bias is None, None if recipe is None else recipe.module)
    layer = x, weight, bias, A, B, scaling
    return settled(request, lambda: _row_ways(*layer, recipe, made_of, channels_first))


def _row_ways(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    A: Tensor,
    B: Tensor,
    scaling: float,
    recipe: Recipe | None,
    made_of: Sequence[Tensor],
    channels_first: bool,
) -> tuple[str, str]:
    (m, i), o, r = x.shape, weight.shape[0], A.shape[0]
    work, thin = m * i * o, 2 * m * (i + o) * _lanes(r)
    gradients = ["low_rank", "low_rank_wide", "low_rank_chunked", "full"]
    if m <= rows.CHUNK or recipe:
        gradients.remove("low_rank_chunked")
    if recipe and recipe.can_be_normalized:
        gradients.append(NORMALIZED)
    if work > _WORTHWHILE * thin:
        gradients.remove("full")
    products = ["matmul"] + ["onednn"] * rows.has_onednn(x) + ["branch"] * (m <= _FEW)
    if _RULE * m * (i + o) < i * o:
        # A merged weight of this size is not even made to be timed.
        products = ["uncast" if rows.can_stay_uncast(x, weight) else "branch"]
    fused = "onednn" in products and x.dtype == torch.bfloat16 and bias is not None

    adapter = (x.detach(), A.detach().flatten(1), B.detach().flatten(1))
    layer = (adapter[0], weight.detach(), bias, *adapter[1:], scaling)
    g = _Once(lambda: rows.empty(x, o, channels_first=False).fill_(1.0))
    key = f"{_kind(x)} {m} x {i} -> {o} rank {r}{' input gradient' * x.requires_grad}"
    product = choose(
        f"{key}{' bias' * (bias is not None)} product",
        {name: partial(_run_rows_product, name, *layer, g if x.requires_grad else None) for name in products},
        "onednn" if fused else "matmul",
        work,
        x.device,
    )
    again = None if recipe is None else (recipe, made_of, channels_first)
    low_rank = "low_rank_wide" if rows.has_onednn(x) else "low_rank"
    gradient = choose(
        f"{key}{f' made again by {recipe.module}' if recipe else ''} gradient",
        {name: partial(_run_rows_gradient, name, *adapter, g, again) for name in gradients},
        "full" if work < thin else NORMALIZED if NORMALIZED in gradients else low_rank,
        work,
        x.device,
    )
    return product, gradient


def conv_ways(
    x: Tensor, weight: Tensor, A: Tensor, B: Tensor, scaling: float, geometry: Geometry
) -> tuple[str, str]:
    """Product (of `convs`) and gradient (of `conv_gradients`) for x (N, in, size...)."""
    layer = x, weight, A, B, scaling, geometry
    return settled((*_request(x, weight, A), geometry), lambda: _conv_ways(*layer))


def _conv_ways(
    x: Tensor, weight: Tensor, A: Tensor, B: Tensor, scaling: float, geometry: Geometry
) -> tuple[str, str]:
    o, r, groups = weight.shape[0], A.shape[0], geometry.groups
    size = convs.output_size(x, weight, geometry)
    pixels, taps = x.shape[0] * prod(size), weight[0].numel()
    work, thin = pixels * taps * o, 2 * pixels * (taps + o) * _lanes(r)

    flips = x.requires_grad and convs.can_flip(weight, geometry)
    products = ["conv"] + ["flipped"] * flips + ["branch"] * (groups == 1 and pixels <= _FEW)
    if convs.can_winograd(weight, geometry) and winograd.pays(x, weight):
        products.append("winograd")
    gradients = conv_gradients.gradients_for(x, A, geometry, size)
    if groups == 1 and work > _WORTHWHILE * thin:
        gradients.remove("full")
    if groups > 1:
        gradient_rule = "columns" if "columns" in gradients else "full"
    else:
        gradient_rule = "full" if work < thin else next(name for name in gradients if name != "full")

    adapter = (x.detach(), A.detach(), B.detach())
    layer = (adapter[0], weight.detach(), *adapter[1:], scaling, geometry)
    g = _Once(partial(_conv_output, *layer))
    key = f"{_conv_key(x, weight, geometry)} rank {r}{' input gradient' * x.requires_grad}"
    product = choose(
        f"{key} product",
        {name: partial(_run_conv_product, name, *layer, g if x.requires_grad else None) for name in products},
        _flipped_rule(x, geometry) if flips else "conv",
        work,
        x.device,
    )
    gradient = choose(
        f"{key} gradient",
        {name: partial(_run_conv_gradient, name, *adapter, geometry, g) for name in gradients},
        gradient_rule,
        work,
        x.device,
    )
    return product, gradient


def frozen_way(x: Tensor, weight: Tensor, geometry: Geometry) -> str:
    """The way to the output and the input gradient of a frozen, grouped convolution."""
    return settled((*_request(x, weight), geometry), lambda: _frozen_way(x, weight, geometry))


def _frozen_way(x: Tensor, weight: Tensor, geometry: Geometry) -> str:
    if not convs.can_flip(weight, geometry):
        return "conv"
    work = x.shape[0] * prod(convs.output_size(x, weight, geometry)) * weight.numel()
    frozen = x.detach(), weight.detach(), geometry
    g = _Once(lambda: torch.ones_like(convs.conv(frozen[0], frozen[1], None, *geometry)))
    return choose(
        f"{_conv_key(x, weight, geometry)} frozen product",
        {name: partial(_run_frozen, name, *frozen, g) for name in ("conv", "flipped")},
        _flipped_rule(x, geometry),
        work,
        x.device,
    )


def _flipped_rule(x: Tensor, geometry: Geometry) -> str:
    slow = max(geometry.stride) > 1 and x.device.type == "cpu" and x.dtype != torch.float32
    return "flipped" if slow else "conv"


class _Once:
    """A value that is made when it is first asked for."""

    def __init__(self, make: Callable[[], Tensor]) -> None:
        self._make = make
        self._value: Tensor | None = None

    def __call__(self) -> Tensor:
        if self._value is None:
            self._value = self._make()
        return self._value


# What is timed. For the output's gradient stands something of its shape, type and memory format: ones, or a
# convolution's output.


@torch.no_grad()
def _run_rows_product(
    name: str,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    A: Tensor,
    B: Tensor,
    scaling: float,
    g: _Once | None,
) -> None:
    ready = ready_weight(name, weight, A, B, scaling, x.dtype)
    rows.forward(name, x, ready, bias, A, B, scaling, channels_first=False)
    if g is not None:
        if x.dtype == weight.dtype:  # otherwise it is kept
            ready = ready_weight(name, weight, A, B, scaling, x.dtype)
        rows.grad_input(name, g(), ready, A, B, scaling, x.shape, channels_first=False)


@torch.no_grad()
def _run_rows_gradient(
    name: str,
    x: Tensor,
    A: Tensor,
    B: Tensor,
    g: _Once,
    again: tuple[Recipe, Sequence[Tensor], bool] | None,
) -> None:
    A, B = A.to(x.dtype), B.to(x.dtype)
    if again is None:
        rows.GRADIENTS[name](x, g(), A, B)
        return
    recipe, made_of, channels_first = again
    if name == NORMALIZED:
        normalized(made_of, rows.linear(A, x), g(), B)
    else:
        rows.gradients_in_pieces(name, recipe.rows(made_of, channels_first), g(), A, B)


@torch.no_grad()
def _conv_output(
    x: Tensor, weight: Tensor, A: Tensor, B: Tensor, scaling: float, geometry: Geometry
) -> Tensor:
    ready = ready_weight("conv", weight, A, B, scaling, x.dtype)
    return convs.forward("conv", x, ready, None, A, B, scaling, geometry)


@torch.no_grad()
def _run_conv_product(
    name: str,
    x: Tensor,
    weight: Tensor,
    A: Tensor,
    B: Tensor,
    scaling: float,
    geometry: Geometry,
    g: _Once | None,
) -> None:
    ready = ready_weight(name, weight, A, B, scaling, x.dtype)
    convs.forward(name, x, ready, None, A, B, scaling, geometry)
    if g is not None:
        if x.dtype == weight.dtype:  # otherwise it is kept
            ready = ready_weight(name, weight, A, B, scaling, x.dtype)
        convs.grad_input(name, g(), x, ready, A, B, scaling, geometry)


@torch.no_grad()
def _run_conv_gradient(name: str, x: Tensor, A: Tensor, B: Tensor, geometry: Geometry, g: _Once) -> None:
    conv_gradients.GRADIENTS[name](x, g(), A.to(x.dtype), B.flatten(1).to(x.dtype), geometry)


@torch.no_grad()
def _run_frozen(name: str, x: Tensor, weight: Tensor, geometry: Geometry, g: _Once) -> None:
    convs.frozen_grad_input(name, g(), x.shape, is_channels_last(x), weight, geometry)


def _request(x: Tensor, *factors: Tensor) -> tuple[Hashable, ...]:
    """All of these tensors that the ways to compute with them depend on."""
    shapes = (tuple(t.shape) for t in (x, *factors))
    return x.device, x.dtype, factors[0].dtype, x.requires_grad, is_channels_last(x), *shapes


def _lanes(rank: int) -> int:
    return -(-rank // _LANES) * _LANES


def _conv_key(x: Tensor, weight: Tensor, geometry: Geometry) -> str:
    stride, padding, dilation, groups = geometry
    return (
        f"{_kind(x)} {tuple(x.shape)} -> {weight.shape[0]} kernel {tuple(weight.shape[2:])} stride {stride} "
        f"padding {padding} dilation {dilation} groups {groups}"
    )


def _kind(x: Tensor) -> str:
    layout = " channels_last" if is_channels_last(x) else ""
    return f"{x.device.type} {str(x.dtype).removeprefix('torch.')}{layout}"
