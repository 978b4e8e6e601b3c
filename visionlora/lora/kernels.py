"""The equal ways to compute an adapted layer.

With `weight` of shape (out, in/groups, k...), A of shape (r, in/groups, k...) and B of shape (out, r,
1...), the layer's weight is `weight + scaling * (B as out x r) @ (A as r x rest)`, for every number of
groups. A linear layer is the same with (out, in), (r, in) and (out, r).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

_CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


def conv(x: Tensor, weight: Tensor, bias: Tensor | None, *geometry: Any) -> Tensor:
    """A plain convolution of the weight's dimensions; geometry is stride, padding, dilation, groups."""
    return _CONV[weight.ndim - 2](x, weight, bias, *geometry)


def update(A: Tensor, B: Tensor, scaling: float) -> Tensor:
    """scaling * B @ A in the shape of the weight, in A's type; autocast does not reach it."""
    device = A.device.type
    can_autocast = torch.amp.is_autocast_available(device)  # not on meta
    with torch.autocast(device, enabled=False) if can_autocast else nullcontext():
        product = B.flatten(1) @ A.flatten(1)
        return (product * scaling).view(B.shape[0], *A.shape[1:])


def merged_weight(weight: Tensor, A: Tensor, B: Tensor, scaling: float) -> Tensor:
    """weight + scaling * B @ A: computed in A's type (at least single precision), cast once to weight's."""
    return (weight.to(A.dtype) + update(A, B, scaling)).to(weight.dtype)


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
    return conv(x, merged_weight(weight, A, B, scaling), bias, stride, padding, dilation, groups)


def lora_linear(
    x: Tensor, weight: Tensor, bias: Tensor | None, A: Tensor, B: Tensor, scaling: float
) -> Tensor:
    """A linear layer with its adapter: x is (..., in)."""
    return F.linear(x, merged_weight(weight, A, B, scaling), bias)


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
