"""Convolutions of 1, 2 or 3 dimensions: the output and the gradient of the input.

x is (N, in, size...), the weight (out, in/groups, k...), g the gradient of the output, (N, out, size...).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from visionlora.kernels import winograd
from visionlora.kernels.tensors import Geometry

_CONV: dict[int, Any] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
PRODUCTS = ("conv", "flipped", "winograd")
LAST = {4: torch.channels_last, 5: torch.channels_last_3d}


def conv(x: Tensor, weight: Tensor, bias: Tensor | None = None, geometry: Geometry | None = None) -> Tensor:
    """A plain convolution; without a geometry stride and dilation are 1 and there is no padding."""
    function = _CONV[weight.ndim - 2]
    if geometry is None:
        return function(x, weight, bias)
    x, (stride, padding, dilation, groups, _) = pad_extra(x, geometry)
    return function(x, weight, bias, stride, padding, dilation, groups)


def pad_extra(x: Tensor, geometry: Geometry) -> tuple[Tensor, Geometry]:
    """x with the geometry's extra zeros, and the geometry without."""
    if not geometry.extra:
        return x, geometry
    x = F.pad(x, list(chain.from_iterable((0, pad) for pad in reversed(geometry.extra))))
    return x, geometry._replace(extra=())


def is_channels_last(x: Tensor) -> bool:
    """Whether x (N, channels, size...) lies in memory as (N, size..., channels)."""
    return x.ndim in LAST and x.is_contiguous(memory_format=LAST[x.ndim])


def output_size(x: Tensor, kernel: Sequence[int], geometry: Geometry) -> list[int]:
    """The pixels of the output, dimension by dimension."""
    return [
        (x.shape[2 + i] + 2 * geometry.padding[i] - geometry.dilation[i] * (kernel[i] - 1) - 1) // stride + 1
        for i, stride in enumerate(geometry.stride)
    ]


def backward(g: Tensor, x: Tensor, weight: Tensor, geometry: Geometry, of_input: bool) -> Tensor:
    """The gradient of a plain convolution's x, or of its weight."""
    flat, which = [0] * len(geometry.stride), [of_input, not of_input, False]
    stride, padding, dilation, groups, _ = geometry
    grads = torch.ops.aten.convolution_backward(
        g, x, weight, None, stride, padding, dilation, False, flat, groups, which
    )
    return grads[0] if of_input else grads[1]


def forward(product: str, x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """The output by this implementation."""
    if product == "winograd":
        return winograd.convolve(x, weight, bias, geometry.padding)
    return conv(x, weight, bias, geometry)


def grad_input(product: str, g: Tensor, x: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    """The gradient of x by this implementation; of x only the shape and memory format are used."""
    if product == "flipped":
        return _flipped(g, x.shape[2:], weight, geometry)
    if product == "winograd" and not torch.is_grad_enabled():  # second derivatives need not be fast
        return winograd.convolve(g, weight, None, flipped_padding(weight.shape[2:], geometry), flipped=True)
    return backward(g, x, weight, geometry, of_input=True)


def can_flip(kernel: Sequence[int], geometry: Geometry) -> bool:
    """Whether "flipped" computes the input gradient: of grouped convolutions that do not pad more than their
    kernel reaches."""
    return geometry.groups > 1 and min(flipped_padding(kernel, geometry)) >= 0


def can_winograd(kernel: Sequence[int], geometry: Geometry) -> bool:
    """Whether "winograd" computes the output and the input gradient."""
    plain = geometry.groups == max(geometry.stride) == max(geometry.dilation) == 1
    return plain and tuple(kernel) == (3, 3) and min(flipped_padding(kernel, geometry)) >= 0


def flipped_padding(kernel: Sequence[int], geometry: Geometry) -> tuple[int, ...]:
    """The padding with which the flipped kernel gives the input's size again; negative where the layer pads
    more than its kernel reaches."""
    reach = zip(geometry.dilation, kernel, geometry.padding, strict=True)
    return tuple(dilation * (size - 1) - padding for dilation, size, padding in reach)


def _flipped(g: Tensor, size: Sequence[int], weight: Tensor, geometry: Geometry) -> Tensor:
    """The input gradient as a convolution of g with the flipped kernel (Dumoulin and Visin 2016,
    https://arxiv.org/abs/1603.07285, section 4), with zeros between the pixels of g where there is a stride.

    Libraries are faster at a depthwise convolution than at its input gradient; and with a stride they may
    have no fast routine for that at all (oneDNN in bfloat16: 12 to 40 times as fast, the zeros included).
    """
    stride, padding, dilation, groups, _ = geometry
    kernel = weight.shape[2:]
    if max(stride) > 1:
        reach = zip(size, padding, dilation, kernel, strict=True)
        g = spread(g, [n + 2 * pad - step * (k - 1) for n, pad, step, k in reach], stride)
    flipped = weight.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)
    flipped = flipped.flip(tuple(range(2, weight.ndim)))
    ones = (1,) * len(stride)
    return conv(g, flipped, None, Geometry(ones, flipped_padding(kernel, geometry), dilation, groups))


def every(stride: Sequence[int]) -> Any:
    """The index of every stride-th pixel of a tensor (N, channels, size...)."""
    return (..., *(slice(None, None, step) for step in stride))


def spread(g: Tensor, size: Sequence[int], stride: Sequence[int]) -> Tensor:
    """The pixels of g with zeros between them, size... pixels in all; in channels_last."""
    full = g.new_zeros(g.shape[0], *size, g.shape[1]).movedim(-1, 1)
    full[every(stride)] = g
    return full
