"""Convolutions of 1, 2 or 3 dimensions: their output and the gradient of their input, in several ways.

x is (N, in, size...), the weight (out, in/groups, k...), A (r, in/groups, k...), B (out, r, 1...).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from visionlora.kernels import winograd

_CONV: dict[int, Any] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
LAST = {4: torch.channels_last, 5: torch.channels_last_3d}


class Geometry(NamedTuple):
    """What a convolution has beside its tensors: one number a dimension; padding on both sides."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int


def conv(x: Tensor, weight: Tensor, bias: Tensor | None = None, *geometry: Any) -> Tensor:
    """A plain convolution of the weight's dimensions; geometry is stride, padding, dilation, groups."""
    return _CONV[weight.ndim - 2](x, weight, bias, *geometry)


def is_channels_last(x: Tensor) -> bool:
    """Whether x (N, channels, size...) lies in memory as (N, size..., channels)."""
    return x.ndim in LAST and x.is_contiguous(memory_format=LAST[x.ndim])


def output_size(x: Tensor, weight: Tensor, geometry: Geometry) -> list[int]:
    """The pixels of the output, dimension by dimension."""
    stride, padding, dilation, _ = geometry
    return [
        (x.shape[2 + i] + 2 * padding[i] - dilation[i] * (weight.shape[2 + i] - 1) - 1) // stride[i] + 1
        for i in range(len(stride))
    ]


def backward(g: Tensor, x: Tensor, weight: Tensor, geometry: Geometry, of_input: bool) -> Tensor:
    """The gradient of a plain convolution's x, or of its weight."""
    stride, padding, dilation, groups = geometry
    flat, which = [0] * len(stride), [of_input, not of_input, False]
    grads = torch.ops.aten.convolution_backward(
        g, x, weight, None, stride, padding, dilation, False, flat, groups, which
    )
    return grads[0] if of_input else grads[1]


# ---------------------------------------------------------------------------------------------------------
# The products: the output and the gradient of x.


def forward(
    product: str,
    x: Tensor,
    ready: Tensor,
    bias: Tensor | None,
    A: Tensor,
    B: Tensor,
    scaling: float,
    geometry: Geometry,
) -> Tensor:
    """The layer's output, (N, out, size...); `ready` is its `ready_weight`."""
    if product == "winograd":
        return winograd.convolve(x, ready, bias, geometry.padding)
    y = conv(x, ready, bias, *geometry)
    if product != "branch":
        return y
    hidden = conv(x, A.to(x.dtype), None, *geometry)
    return y.add_(conv(hidden, (B * scaling).to(x.dtype)))


def grad_input(
    product: str,
    g: Tensor,
    x: Tensor,
    ready: Tensor,
    A: Tensor,
    B: Tensor,
    scaling: float,
    geometry: Geometry,
) -> Tensor:
    """The gradient of x, in its shape."""
    if product == "branch":
        u = conv(g, (B * scaling).to(g.dtype).transpose(0, 1))
        grad = backward(g, x, ready, geometry, of_input=True)
        return grad.add_(backward(u, x, A.to(g.dtype), geometry, of_input=True))
    if product == "flipped":
        return _flipped(g, x.shape[2:], ready, geometry)
    if product == "winograd" and not torch.is_grad_enabled():  # a second derivative is nothing to hurry for
        return winograd.convolve(g, ready, None, flipped_padding(ready, geometry), turned=True)
    return backward(g, x, ready, geometry, of_input=True)


def frozen_grad_input(
    product: str, g: Tensor, shape: torch.Size, last: bool, weight: Tensor, geometry: Geometry
) -> Tensor:
    """The gradient of x, of which only the shape is left and whether it was channels_last."""
    if product == "flipped":
        return _flipped(g, shape[2:], weight, geometry)
    memory_format = LAST[len(shape)] if last else torch.contiguous_format
    x = torch.empty(shape, dtype=g.dtype, device=g.device, memory_format=memory_format)  # never read
    return backward(g, x, weight, geometry, of_input=True)


def can_flip(weight: Tensor, geometry: Geometry) -> bool:
    """Whether "flipped" is a way to the input gradient: it is one of grouped convolutions, unless they pad
    more than their kernel reaches."""
    return geometry.groups > 1 and min(flipped_padding(weight, geometry)) >= 0


def can_winograd(weight: Tensor, geometry: Geometry) -> bool:
    """Whether "winograd" is a way to the output and the input gradient."""
    plain = geometry.groups == max(geometry.stride) == max(geometry.dilation) == 1
    return plain and weight.shape[2:] == (3, 3) and min(flipped_padding(weight, geometry)) >= 0


def flipped_padding(weight: Tensor, geometry: Geometry) -> tuple[int, ...]:
    """The padding with which a kernel that is turned round gives the input's size again; negative where the
    layer pads more than its kernel reaches."""
    reach = zip(geometry.dilation, weight.shape[2:], geometry.padding, strict=True)
    return tuple(dilation * (size - 1) - padding for dilation, size, padding in reach)


def _flipped(g: Tensor, size: Sequence[int], weight: Tensor, geometry: Geometry) -> Tensor:
    """The input gradient as a convolution of g with the kernel turned round (Dumoulin and Visin 2016,
    https://arxiv.org/abs/1603.07285, section 4), with zeros between the pixels of g where there is a stride.

    Libraries are quicker at a depthwise convolution than at its input gradient; and with a stride they may
    have no fast routine for that at all (oneDNN in bfloat16: 12 to 40 times as fast, the zeros included).
    """
    stride, _, dilation, groups = geometry
    if max(stride) > 1:
        reach = zip(size, geometry.padding, geometry.dilation, weight.shape[2:], strict=True)
        g = spread(g, [n + 2 * padding - dilation * (k - 1) for n, padding, dilation, k in reach], stride)
    turned = weight.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)
    turned = turned.flip(tuple(range(2, weight.ndim)))
    return conv(g, turned, None, 1, flipped_padding(weight, geometry), dilation, groups)


def subsample(x: Tensor, stride: Sequence[int]) -> Tensor:
    """Every stride-th pixel of x (N, channels, size...), in channels_last."""
    pixels = tuple(slice(None, None, step) for step in stride)
    return x[(slice(None), slice(None)) + pixels].contiguous(memory_format=LAST[x.ndim])  # noqa: RUF005


def spread(g: Tensor, size: Sequence[int], stride: Sequence[int]) -> Tensor:
    """The inverse of `subsample`: zeros between the pixels of g, so many pixels in all."""
    full = g.new_zeros(g.shape[0], *size, g.shape[1]).movedim(-1, 1)
    pixels = tuple(slice(None, None, step) for step in stride)
    full[(slice(None), slice(None)) + pixels] = g  # noqa: RUF005 - Python 3.10 knows no star in an index
    return full
