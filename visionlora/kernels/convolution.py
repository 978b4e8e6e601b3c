"""Convolutions of 1, 2 or 3 dimensions: the output, and the gradients of the input and of the adapter.

x is (N, in, size...), the weight (out, in/groups, k...), A (r, in/groups, k...), B (out, r), g the gradient
of the output, (N, out, size...). With u = B' g, a convolution of one pixel, the gradient of A is the weight
gradient of a convolution with r output channels, that of B is `g h'` with h = conv(x, A). The full weight
gradient is formed only where it is cheaper (few channels; groups, which share A).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from visionlora.kernels import winograd
from visionlora.kernels.matmul import linear
from visionlora.kernels.tensors import LAST, Factors, LayerTensors, as_rows, from_rows

_CONV: dict[int, Any] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
PRODUCTS = ("conv", "flipped", "winograd")


class Geometry(NamedTuple):
    """The computation of a convolution; the methods are those of `MatrixProduct`. The attributes are those of
    `torch.nn.Conv2d`, one number a dimension; `padding` is symmetric, and `extra` are the zeros after it
    where padding "same" is not, empty for none."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1
    extra: tuple[int, ...] = ()

    @classmethod
    def of(
        cls, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int] | str,
        dilation: Sequence[int], groups: int,
    ) -> Geometry:  # fmt: skip
        """The geometry of a convolution with these attributes; padding may be "same" or "valid"."""
        extra: tuple[int, ...] = ()
        if padding == "same":
            total = [step * (size - 1) for step, size in zip(dilation, kernel, strict=True)]
            padding, odd = tuple(pad // 2 for pad in total), tuple(pad % 2 for pad in total)
            extra = odd if any(odd) else ()
        elif padding == "valid":
            padding = (0,) * len(kernel)
        assert not isinstance(padding, str)
        return cls(tuple(stride), tuple(padding), tuple(dilation), groups, extra)

    def flatten(self, t: Tensor) -> Tensor:
        """t as it is."""
        return t

    def forward(self, product: str, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The output."""
        if product == "winograd":
            return winograd.convolve(x, weight, bias, self.padding)
        return conv(x, weight, bias, self)

    def grad_input(self, product: str, g: Tensor, like: Tensor, weight: Tensor) -> Tensor:
        """The gradient of x by this implementation; of `like` only the shape and memory format are used."""
        if product == "flipped":
            return _flipped(g, like.shape[2:], weight, self)
        if product == "winograd" and not torch.is_grad_enabled():  # second derivatives need not be fast
            return winograd.convolve(g, weight, None, flipped_padding(weight.shape[2:], self), flipped=True)
        return backward(g, like, weight, self, of_input=True)

    def gradients(self, gradient: str, kept: Sequence[Tensor], g: Tensor, layer: LayerTensors) -> Factors:
        """The gradients of A and of B, (out, r), from (x,)."""
        return GRADIENTS[gradient](kept[0], g, *layer.scaled_factors(g.dtype), self)


def conv(x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """A plain convolution."""
    x, (stride, padding, dilation, groups, _) = pad_extra(x, geometry)
    return _CONV[weight.ndim - 2](x, weight, bias, stride, padding, dilation, groups)


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
    stride, padding, dilation, groups, _ = geometry
    rest = stride, padding, dilation, False, [0] * len(stride), groups, [of_input, not of_input, False]
    grads = torch.ops.aten.convolution_backward(g, x, weight, None, *rest)
    return grads[0] if of_input else grads[1]


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
        spread = [n + 2 * pad - step * (k - 1) for n, pad, step, k in reach]
        zeros = g.new_zeros(g.shape[0], *spread, g.shape[1]).movedim(-1, 1)
        every: Any = (..., *(slice(None, None, step) for step in stride))
        zeros[every] = g
        g = zeros
    flipped = weight.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)
    flipped = flipped.flip(tuple(range(2, weight.ndim)))
    ones = (1,) * len(stride)
    return conv(g, flipped, None, Geometry(ones, flipped_padding(kernel, geometry), dilation, groups))


# The adapter's gradients, for A and B multiplied by the scaling.


def gradients_for(x: Tensor, A: Tensor, geometry: Geometry) -> list[str]:
    """The names in GRADIENTS that can compute this layer, the likely fastest first; "full" always."""
    if geometry.groups == 1:
        return ["low_rank", "full"]
    wide = A.shape[-1] > 3 and geometry.dilation[-1] == 1 and x.device.type == "cpu"
    return ["columns"] * wide + ["full"]


def low_rank(x: Tensor, g: Tensor, A: Tensor, B: Tensor, geometry: Geometry) -> Factors:
    """From u and h, each of r channels."""
    rows = as_rows(g, channels_first=True)
    u = from_rows(linear(rows, B.t().contiguous()), g.shape, channels_first=True)
    grad_A = backward(u, x, A, geometry, of_input=False)
    h = as_rows(conv(x, A, None, geometry), channels_first=True)
    return grad_A, linear(h.t().contiguous(), rows.t()).t()


def full(x: Tensor, g: Tensor, A: Tensor, B: Tensor, geometry: Geometry, at_once: int = 0) -> Factors:
    """From the full weight gradient."""
    flat = weight_gradient(x, g, A, geometry, at_once).flatten(1)
    flat = flat.to(torch.promote_types(flat.dtype, torch.float32))
    A_flat, B = A.flatten(1).to(flat.dtype), B.to(flat.dtype)
    return (B.t() @ flat).view(A.shape), flat @ A_flat.t()


def weight_gradient(x: Tensor, g: Tensor, kernel: Tensor, geometry: Geometry, at_once: int = 0) -> Tensor:
    """The weight gradient for a kernel (any, in/groups, k...), so many of its columns at a time; 0: all.

    oneDNN's fast weight gradient of a depthwise convolution ends at kernels three wide: three at a time are
    8 times as fast with a kernel of 7 x 7, and 20 times in bfloat16.
    """
    if not at_once:
        return backward(g, x, _like(x, g.shape[1], kernel), geometry, of_input=False)
    width, step, pad = kernel.shape[-1], geometry.stride[-1], geometry.padding[-1]
    reach = (g.shape[-1] - 1) * step  # from the first to the last pixel that one column of the kernel sees
    inner, pieces = geometry._replace(padding=(*geometry.padding[:-1], 0)), []
    for first in range(0, width, at_once):
        some = kernel[..., first : first + at_once]
        pieces.append(weight_gradient(_window(x, first - pad, reach + some.shape[-1]), g, some, inner))
    return torch.cat(pieces, -1)


columns = partial(full, at_once=3)
GRADIENTS: dict[str, Callable[..., Factors]] = {"low_rank": low_rank, "columns": columns, "full": full}


def _window(x: Tensor, start: int, width: int) -> Tensor:
    """`width` columns of x from `start` on, zeros where x has none."""
    inside = x[..., max(start, 0) : max(start + width, 0)]
    before = min(max(-start, 0), width)
    return F.pad(inside, (before, width - before - inside.shape[-1]))


def _like(x: Tensor, out: int, A: Tensor) -> Tensor:
    """A weight of which only shape, type and memory format matter."""
    weight = x.new_empty(out, *A.shape[1:])
    # In double precision PyTorch 2.15 gives wrong gradients for one image, groups and a channels_last weight.
    last = is_channels_last(x) and x.dtype != torch.double
    return weight.contiguous(memory_format=LAST[x.ndim]) if last else weight
