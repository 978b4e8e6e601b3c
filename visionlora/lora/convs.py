"""Adapted convolutions of 1, 2 or 3 dimensions.

x is (N, in, size...), the weight (out, in/groups, k...), A (r, in/groups, k...), B (out, r). With g the
gradient of the output: u = B' g is a convolution of one pixel, the gradient of A is the weight gradient of a
convolution with r output channels, that of B is `g h'` with h = conv(x, A). The full weight gradient is
never formed unless it is the cheaper way (few channels; groups, where A is shared among them).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from visionlora.lora import winograd
from visionlora.lora.rows import linear, tall

_CONV: dict[int, Any] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
LAST = {4: torch.channels_last, 5: torch.channels_last_3d}
_HALF = 8  # channels that fill half of a vector register


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


def gradients_for(x: Tensor, A: Tensor, geometry: Geometry, size: list[int]) -> list[str]:
    """The names in GRADIENTS that can compute this layer, the likely fastest first; "full" always."""
    if geometry.groups > 1:
        wide = A.shape[-1] > 3 and geometry.dilation[-1] == 1 and x.device.type == "cpu"
        return ["columns"] * wide + ["full"]
    on_cpu, rank = x.device.type == "cpu", A.shape[0]
    pairs = (
        on_cpu
        and x.ndim == 4
        and is_channels_last(x)
        and rank <= _HALF
        and A.shape[-1] > 1
        and geometry.stride[-1] == geometry.dilation[-1] == 1
        and size[-1] % 2 == 0
    )
    swaps = (
        on_cpu
        and rank <= 2 * _HALF
        and max(geometry.stride) == 1
        and min(_flipped_padding(A, geometry)) >= 0
    )
    likely = ["paired_swapped"] * (pairs and swaps) + ["swapped"] * swaps + ["paired"] * pairs
    return [*likely, "low_rank", "full"]


def _backward(g: Tensor, x: Tensor, weight: Tensor, geometry: Geometry, of_input: bool) -> Tensor:
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
        grad = _backward(g, x, ready, geometry, of_input=True)
        return grad.add_(_backward(u, x, A.to(g.dtype), geometry, of_input=True))
    if product == "flipped":
        return _flipped(g, x.shape[2:], ready, geometry)
    if product == "winograd" and not torch.is_grad_enabled():  # a second derivative is nothing to hurry for
        return winograd.convolve(g, ready, None, _flipped_padding(ready, geometry), turned=True)
    return _backward(g, x, ready, geometry, of_input=True)


def frozen_grad_input(
    product: str, g: Tensor, shape: torch.Size, last: bool, weight: Tensor, geometry: Geometry
) -> Tensor:
    """The gradient of x, of which only the shape is left and whether it was channels_last."""
    if product == "flipped":
        return _flipped(g, shape[2:], weight, geometry)
    memory_format = LAST[len(shape)] if last else torch.contiguous_format
    x = torch.empty(shape, dtype=g.dtype, device=g.device, memory_format=memory_format)  # never read
    return _backward(g, x, weight, geometry, of_input=True)


def can_flip(weight: Tensor, geometry: Geometry) -> bool:
    """Whether "flipped" is a way to the input gradient: it is one of grouped convolutions, unless they pad
    more than their kernel reaches."""
    return geometry.groups > 1 and min(_flipped_padding(weight, geometry)) >= 0


def can_winograd(weight: Tensor, geometry: Geometry) -> bool:
    """Whether "winograd" is a way to the output and the input gradient."""
    plain = geometry.groups == max(geometry.stride) == max(geometry.dilation) == 1
    return plain and weight.shape[2:] == (3, 3) and min(_flipped_padding(weight, geometry)) >= 0


def _flipped_padding(weight: Tensor, geometry: Geometry) -> tuple[int, ...]:
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
    return conv(g, turned, None, 1, _flipped_padding(weight, geometry), dilation, groups)


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


# ---------------------------------------------------------------------------------------------------------
# The adapter's gradients, for A and B (out, r) that the scaling is already in.


def full(x: Tensor, g: Tensor, A: Tensor, B: Tensor, geometry: Geometry) -> tuple[Tensor, Tensor]:
    """By way of the full weight gradient."""
    weight_grad = _backward(g, x, _like(x, g.shape[1], A), geometry, of_input=False)
    return _project(weight_grad, A, B)


def columns(x: Tensor, g: Tensor, A: Tensor, B: Tensor, geometry: Geometry) -> tuple[Tensor, Tensor]:
    """By way of the full weight gradient, three columns of the kernel at a time.

    oneDNN's fast weight gradient of a depthwise convolution ends at kernels three wide: this is 8 times as
    fast as `full` with a kernel of 7 x 7, and 20 times in bfloat16.
    """
    width, step, pad = A.shape[-1], geometry.stride[-1], geometry.padding[-1]
    reach = (g.shape[-1] - 1) * step  # from the first to the last pixel that one column of the kernel sees
    inner = geometry._replace(padding=(*geometry.padding[:-1], 0))
    pieces = []
    for first in range(0, width, 3):
        wide = min(3, width - first)
        left = pad - first
        part = _window(x, -left, reach + wide)
        pieces.append(_backward(g, part, _like(x, g.shape[1], A[..., :wide]), inner, of_input=False))
    return _project(torch.cat(pieces, -1), A, B)


def low_rank(x: Tensor, g: Tensor, A: Tensor, B: Tensor, geometry: Geometry) -> tuple[Tensor, Tensor]:
    """By way of u and h, each of r channels."""
    grad_A = _backward(_down(g, B), x, A, geometry, of_input=False)
    return grad_A, _outer(conv(x, A, None, *geometry), g)


def paired(x: Tensor, g: Tensor, A: Tensor, B: Tensor, geometry: Geometry) -> tuple[Tensor, Tensor]:
    """`low_rank` with two neighbouring pixels as one of 2 r channels (channels_last, stride 1, even width).

    A kernel one column wider, moved by two pixels, does both at once. Eight channels fill half of a vector
    register, sixteen all of it: 4/3 of the multiplications at twice the speed.
    """
    rank, width = A.shape[0], A.shape[-1]
    A2, moved = _pair(A, geometry)
    grad_A2 = _backward(_join(_down(g, B)), x, A2, moved, of_input=False)
    grad_A = grad_A2[:rank, ..., :width] + grad_A2[rank:, ..., 1:]
    return grad_A, _outer(_split(conv(x, A2, None, *moved), rank), g)


def swapped(x: Tensor, g: Tensor, A: Tensor, B: Tensor, geometry: Geometry) -> tuple[Tensor, Tensor]:
    """`low_rank` with A's gradient as that of a convolution from u to x (stride 1): x's channels, and not
    u's few, fill the vector registers then.

    With `u[p] x[p + d k - padding]` summed over the pixels p, and q = p + d k - padding, it is `x[q] u[q + d
    k' - padding']` for the turned kernel, k' = size - 1 - k and padding' = d (size - 1) - padding.
    """
    return _swapped(_down(g, B), x, A, geometry), _outer(conv(x, A, None, *geometry), g)


def paired_swapped(x: Tensor, g: Tensor, A: Tensor, B: Tensor, geometry: Geometry) -> tuple[Tensor, Tensor]:
    """A's gradient as `swapped` computes it, B's as `paired` does."""
    grad_A = _swapped(_down(g, B), x, A, geometry)
    A2, moved = _pair(A, geometry)
    return grad_A, _outer(_split(conv(x, A2, None, *moved), A.shape[0]), g)


GRADIENTS: dict[str, Callable[[Tensor, Tensor, Tensor, Tensor, Geometry], tuple[Tensor, Tensor]]] = {
    "low_rank": low_rank,
    "paired": paired,
    "swapped": swapped,
    "paired_swapped": paired_swapped,
    "columns": columns,
    "full": full,
}


def _window(x: Tensor, start: int, width: int) -> Tensor:
    """`width` columns of x from `start` on, zeros where x has none. `F.pad` would write everything twice."""
    first, last = max(start, 0), min(start + width, x.shape[-1])
    if last - first == width:
        return x[..., first:last]
    memory_format = LAST[x.ndim] if is_channels_last(x) else torch.contiguous_format
    part = torch.empty((*x.shape[:-1], width), dtype=x.dtype, device=x.device, memory_format=memory_format)
    if last <= first:
        return part.zero_()
    part[..., : first - start] = 0
    part[..., last - start :] = 0
    part[..., first - start : last - start] = x[..., first:last]
    return part


def _like(x: Tensor, out: int, A: Tensor) -> Tensor:
    """A weight of which only shape, type and memory format matter."""
    weight = x.new_empty(out, *A.shape[1:])
    return weight.contiguous(memory_format=LAST[x.ndim]) if is_channels_last(x) else weight


def _project(weight_grad: Tensor, A: Tensor, B: Tensor) -> tuple[Tensor, Tensor]:
    flat = weight_grad.flatten(1).to(torch.promote_types(weight_grad.dtype, torch.float32))
    A_flat, B = A.flatten(1).to(flat.dtype), B.to(flat.dtype)
    return (B.t() @ flat).view(A.shape), flat @ A_flat.t()


def _down(g: Tensor, B: Tensor) -> Tensor:
    """u = B' g: (N, r, size...)."""
    if not is_channels_last(g):
        return conv(g, B.t().reshape(*B.t().shape, *(1,) * (g.ndim - 2)))
    return linear(g.movedim(1, -1), B.t().contiguous()).movedim(-1, 1)


def _outer(h: Tensor, g: Tensor) -> Tensor:
    """g h' summed over pictures and pixels: (out, r). Its transpose is computed: see `rows`."""
    if is_channels_last(g):
        thin = h.movedim(1, -1).reshape(-1, h.shape[1])
        return tall(thin, g.movedim(1, -1).reshape(-1, g.shape[1])).t()
    like = g.new_empty(h.shape[1], g.shape[1], *(1,) * (g.ndim - 2))
    ones, none = (1,) * (g.ndim - 2), (0,) * (g.ndim - 2)
    return _backward(h, g, like, Geometry(ones, none, ones, 1), of_input=False).flatten(1).t()


def _swapped(u: Tensor, x: Tensor, A: Tensor, geometry: Geometry) -> Tensor:
    turned = geometry._replace(padding=_flipped_padding(A, geometry))
    like = _like(x, x.shape[1], A.transpose(0, 1))
    return _backward(x, u, like, turned, of_input=False).flip(tuple(range(2, A.ndim))).transpose(0, 1)


def _pair(A: Tensor, geometry: Geometry) -> tuple[Tensor, Geometry]:
    """A for two neighbouring pixels at once, and its geometry."""
    A2 = torch.cat([F.pad(A, (0, 1)), F.pad(A, (1, 0))]).contiguous(memory_format=torch.channels_last)
    return A2, geometry._replace(stride=(*geometry.stride[:-1], 2))


def _join(t: Tensor) -> Tensor:
    """(N, c, H, W) to (N, 2 c, H, W/2); a view in channels_last."""
    n, c, height, width = t.shape
    return t.permute(0, 2, 3, 1).reshape(n, height, width // 2, 2 * c).permute(0, 3, 1, 2)


def _split(t: Tensor, channels: int) -> Tensor:
    """The inverse of `_join`."""
    n, _, height, half = t.shape
    return t.permute(0, 2, 3, 1).reshape(n, height, 2 * half, channels).permute(0, 3, 1, 2)
