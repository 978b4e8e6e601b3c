"""The gradients of a convolution's adapter, in several ways.

x is (N, in, size...), A (r, in/groups, k...), B (out, r); the scaling is in them already. With g the gradient
of the output: u = B' g is a convolution of one pixel, the gradient of A is the weight gradient of a
convolution with r output channels, that of B is `g h'` with h = conv(x, A). The full weight gradient is
never formed unless it is the cheaper way (few channels; groups, where A is shared among them).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from visionlora.kernels.conv import LAST, Geometry, backward, conv, flipped_padding, is_channels_last
from visionlora.kernels.matmul import linear, tall

_HALF = 8  # channels that fill half of a vector register


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
        on_cpu and rank <= 2 * _HALF and max(geometry.stride) == 1 and min(flipped_padding(A, geometry)) >= 0
    )
    likely = ["paired_swapped"] * (pairs and swaps) + ["swapped"] * swaps + ["paired"] * pairs
    return [*likely, "low_rank", "full"]


def full(x: Tensor, g: Tensor, A: Tensor, B: Tensor, geometry: Geometry) -> tuple[Tensor, Tensor]:
    """By way of the full weight gradient."""
    weight_grad = backward(g, x, _like(x, g.shape[1], A), geometry, of_input=False)
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
        pieces.append(backward(g, part, _like(x, g.shape[1], A[..., :wide]), inner, of_input=False))
    return _project(torch.cat(pieces, -1), A, B)


def low_rank(x: Tensor, g: Tensor, A: Tensor, B: Tensor, geometry: Geometry) -> tuple[Tensor, Tensor]:
    """By way of u and h, each of r channels."""
    grad_A = backward(_down(g, B), x, A, geometry, of_input=False)
    return grad_A, _outer(conv(x, A, None, *geometry), g)


def paired(x: Tensor, g: Tensor, A: Tensor, B: Tensor, geometry: Geometry) -> tuple[Tensor, Tensor]:
    """`low_rank` with two neighbouring pixels as one of 2 r channels (channels_last, stride 1, even width).

    A kernel one column wider, moved by two pixels, does both at once. Eight channels fill half of a vector
    register, sixteen all of it: 4/3 of the multiplications at twice the speed.
    """
    rank, width = A.shape[0], A.shape[-1]
    A2, moved = _pair(A, geometry)
    grad_A2 = backward(_join(_down(g, B)), x, A2, moved, of_input=False)
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
    """g h' summed over images and pixels: (out, r). Its transpose is computed: see `rows`."""
    if is_channels_last(g):
        thin = h.movedim(1, -1).reshape(-1, h.shape[1])
        return tall(thin, g.movedim(1, -1).reshape(-1, g.shape[1])).t()
    like = g.new_empty(h.shape[1], g.shape[1], *(1,) * (g.ndim - 2))
    ones, none = (1,) * (g.ndim - 2), (0,) * (g.ndim - 2)
    return backward(h, g, like, Geometry(ones, none, ones, 1), of_input=False).flatten(1).t()


def _swapped(u: Tensor, x: Tensor, A: Tensor, geometry: Geometry) -> Tensor:
    turned = geometry._replace(padding=flipped_padding(A, geometry))
    like = _like(x, x.shape[1], A.transpose(0, 1))
    return backward(x, u, like, turned, of_input=False).flip(tuple(range(2, A.ndim))).transpose(0, 1)


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
