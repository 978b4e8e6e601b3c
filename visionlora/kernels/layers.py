"""One adapted layer, computed in the fastest of several equal ways.

With `weight` of shape (out, in/groups, k...), A of shape (r, in/groups, k...) and B of shape (out, r,
1...), the layer's weight is `weight + scaling * (B as out x r) @ (A as r x rest)`, for every number of
groups. A linear layer is the same with (out, in), (r, in) and (out, r).

The ways are in `rows` (linear layers, convolutions of one pixel) and in `convs` and `conv_gradients`, the
candidates for a layer in `ways`, the choice among them in `choice`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import torch
from torch import Tensor
from torch.nn import functional as F

from visionlora.kernels import matmul as rows
from visionlora.kernels.autotune import choice, chosen
from visionlora.kernels.candidates import conv_ways, frozen_way, row_ways
from visionlora.kernels.conv import Geometry, conv, is_channels_last
from visionlora.kernels.functions import ConvFunction, FrozenConvFunction, RowsFunction, SubsampleFunction
from visionlora.kernels.merge import autocast_off, merged_weight, ready_weight, update
from visionlora.kernels.recompute import made_of

__all__ = [
    "choice",
    "chosen",
    "conv",
    "conv_branch",
    "frozen_conv",
    "linear_branch",
    "lora_conv",
    "lora_linear",
    "merged_weight",
    "update",
]


def lora_conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    A: Tensor,
    B: Tensor,
    scaling: float,
    stride: Sequence[int],
    padding: Sequence[int] | str,
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    """A convolution of 1, 2 or 3 dimensions with its adapter: x is (N, in, size...) or (in, size...)."""
    if not _trains(x, weight, bias, A, B):
        return conv(x, merged_weight(weight, A, B, scaling), bias, stride, padding, dilation, groups)
    if x.ndim < weight.ndim:
        y = lora_conv(x.unsqueeze(0), weight, bias, A, B, scaling, stride, padding, dilation, groups)
        return y.squeeze(0)
    x, bias = _autocast(x), None if bias is None else _autocast(bias)
    with autocast_off(x.device):
        x, geometry = _geometry(x, weight, stride, padding, dilation, groups)
        if _is_pointwise(x, weight, geometry):
            if max(geometry.stride) > 1:
                x = SubsampleFunction.apply(x, geometry.stride)
            return _rows(x, weight.flatten(1), bias, A, B, scaling, channels_first=True)
        product, gradient = conv_ways(x, weight, A, B, scaling, geometry)
        kept = _kept(product, weight, A, B, scaling, x.dtype)
        return ConvFunction.apply(x, weight, bias, A, B, kept, scaling, geometry, product, gradient)


def frozen_conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int] | str,
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    """A frozen convolution; with groups its input gradient is computed in the fastest way too."""
    ours = groups > 1 and x.requires_grad and x.ndim == weight.ndim and _grad_wanted(x, weight, bias)
    if not ours:
        return conv(x, weight, bias, stride, padding, dilation, groups)
    x, bias = _autocast(x), None if bias is None else _autocast(bias)
    with autocast_off(x.device):
        x, geometry = _geometry(x, weight, stride, padding, dilation, groups)
        weight = weight.to(x.dtype)
        return FrozenConvFunction.apply(x, weight, bias, geometry, frozen_way(x, weight, geometry))


def lora_linear(
    x: Tensor, weight: Tensor, bias: Tensor | None, A: Tensor, B: Tensor, scaling: float
) -> Tensor:
    """A linear layer with its adapter: x is (..., in)."""
    if not _trains(x, weight, bias, A, B):
        return F.linear(x, merged_weight(weight, A, B, scaling), bias)
    x, bias = _autocast(x), None if bias is None else _autocast(bias)
    with autocast_off(x.device):
        return _rows(x, weight, bias, A, B, scaling, channels_first=False)


def conv_branch(
    x: Tensor,
    A: Tensor,
    B: Tensor,
    scaling: float,
    stride: Sequence[int],
    padding: Sequence[int] | str,
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    """The adapter's own part of a convolution's output, for an input of its own (dropout): two small
    convolutions.

    Every group reads its own channels with the same A, and B's rows belong to the group of their output.
    """
    repeated = A.repeat(groups, *(1,) * (A.ndim - 1)) if groups > 1 else A
    hidden = conv(x.to(A.dtype), repeated, None, stride, padding, dilation, groups)
    return conv(hidden, B * scaling, None, 1, 0, 1, groups)


def linear_branch(x: Tensor, A: Tensor, B: Tensor, scaling: float) -> Tensor:
    """The adapter's own part of a linear layer's output, for an input of its own (dropout)."""
    return F.linear(F.linear(x.to(A.dtype), A), B * scaling)


# ---------------------------------------------------------------------------------------------------------


def _trains(x: Tensor, weight: Tensor, bias: Tensor | None, A: Tensor, B: Tensor) -> bool:
    """Whether our gradients are wanted."""
    return _grad_wanted(x, weight, bias) and (x.requires_grad or A.requires_grad or B.requires_grad)


def _grad_wanted(x: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    """Whether there is a graph and something to compute, and what should be frozen is."""
    thawed = weight.requires_grad or (bias is not None and bias.requires_grad)
    return torch.is_grad_enabled() and not thawed and x.numel() > 0


def _autocast(t: Tensor) -> Tensor:
    device = t.device.type
    if (
        torch.amp.is_autocast_available(device)
        and torch.is_autocast_enabled(device)
        and t.dtype != torch.double
    ):
        return t.to(torch.get_autocast_dtype(device))
    return t


def _geometry(
    x: Tensor,
    weight: Tensor,
    stride: Sequence[int],
    padding: Sequence[int] | str,
    dilation: Sequence[int],
    groups: int,
) -> tuple[Tensor, Geometry]:
    """x and its geometry in numbers; where 'same' needs one pixel more at the end, x has it already."""
    pads = (0,) * len(dilation) if isinstance(padding, str) else tuple(padding)
    if padding == "same":
        total = [step * (size - 1) for step, size in zip(dilation, weight.shape[2:], strict=True)]
        if any(pad % 2 for pad in total):
            x = F.pad(x, list(chain.from_iterable((0, pad % 2) for pad in reversed(total))))
        pads = tuple(pad // 2 for pad in total)
    return x, Geometry(tuple(stride), pads, tuple(dilation), groups)


def _is_pointwise(x: Tensor, weight: Tensor, geometry: Geometry) -> bool:
    """Whether it is a matrix product; with a stride only where that is known to be faster."""
    ones = (1,) * len(geometry.stride)
    return (
        tuple(weight.shape[2:]) == ones
        and (geometry.stride == ones or rows.has_onednn(x))
        and not any(geometry.padding)
        and geometry.groups == 1
        and is_channels_last(x)
    )


def _rows(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    A: Tensor,
    B: Tensor,
    scaling: float,
    channels_first: bool,
) -> Tensor:
    recipe, tensors = made_of(x, channels_first)
    flat = rows.as_rows(x, channels_first)
    ways = row_ways(flat, weight, bias, A, B, scaling, recipe, tensors, channels_first)
    kept = _kept(ways[0], weight, A, B, scaling, x.dtype)
    layer = weight, bias, A, B, kept, scaling, channels_first
    return RowsFunction.apply(x, *layer, recipe, *ways, *tensors)


@torch.no_grad()
def _kept(
    product: str, weight: Tensor, A: Tensor, B: Tensor, scaling: float, dtype: torch.dtype
) -> Tensor | None:
    """The weight to keep for the backward pass: one that is cast, as plain layers do under autocast."""
    return None if dtype == weight.dtype else ready_weight(product, weight, A, B, scaling, dtype)
