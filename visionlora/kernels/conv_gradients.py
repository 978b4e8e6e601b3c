"""The gradients of a convolution's adapter.

x is (N, in, size...), g the gradient of the output, A (r, in/groups, k...), B (out, r), with the scaling in A
and B. With u = B' g, a convolution of one pixel, the gradient of A is the weight gradient of a convolution
with r output channels, that of B is `g h'` with h = conv(x, A). The full weight gradient is formed only where
it is cheaper (few channels; groups, which share A).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from visionlora.kernels import convolution
from visionlora.kernels.convolution import LAST, backward, conv, is_channels_last
from visionlora.kernels.matmul import linear
from visionlora.kernels.merge import merged_weight, scaled_factors
from visionlora.kernels.tensors import Geometry, LayerTensors, as_rows, from_rows


class Convolution(NamedTuple):
    """The computation of a convolution with this geometry; its methods are those of `MatrixProduct`."""

    geometry: Geometry

    def flatten(self, t: Tensor) -> Tensor:
        """t as it is, (N, channels, size...)."""
        return t

    def forward(self, product: str, x: Tensor, layer: LayerTensors) -> Tensor:
        """The output."""
        return convolution.forward(product, x, merged_weight(layer, x.dtype), layer.bias, self.geometry)

    def grad_input(self, product: str, g: Tensor, like: Tensor, layer: LayerTensors) -> Tensor:
        """The gradient of x, in the shape and memory format of `like`."""
        return convolution.grad_input(product, g, like, merged_weight(layer, g.dtype), self.geometry)

    def gradients(
        self, gradient: str, kept: Sequence[Tensor], g: Tensor, layer: LayerTensors
    ) -> tuple[Tensor, Tensor]:
        """The gradients of A and of B, (out, r), from (x,)."""
        return GRADIENTS[gradient](kept[0], g, *scaled_factors(layer, g.dtype), self.geometry)


def gradients_for(x: Tensor, A: Tensor, geometry: Geometry) -> list[str]:
    """The names in GRADIENTS that can compute this layer, the likely fastest first; "full" always."""
    if geometry.groups == 1:
        return ["low_rank", "full"]
    wide = A.shape[-1] > 3 and geometry.dilation[-1] == 1 and x.device.type == "cpu"
    return ["columns"] * wide + ["full"]


def low_rank(x: Tensor, g: Tensor, A: Tensor, B: Tensor, geometry: Geometry) -> tuple[Tensor, Tensor]:
    """From u and h, each of r channels."""
    rows = as_rows(g, channels_first=True)
    u = from_rows(linear(rows, B.t().contiguous()), g.shape, channels_first=True)
    grad_A = backward(u, x, A, geometry, of_input=False)
    h = as_rows(conv(x, A, None, geometry), channels_first=True)
    return grad_A, linear(h.t().contiguous(), rows.t()).t()


def full(x: Tensor, g: Tensor, A: Tensor, B: Tensor, geometry: Geometry) -> tuple[Tensor, Tensor]:
    """From the full weight gradient."""
    weight_grad = backward(g, x, _like(x, g.shape[1], A), geometry, of_input=False)
    return _project(weight_grad, A, B)


def columns(x: Tensor, g: Tensor, A: Tensor, B: Tensor, geometry: Geometry) -> tuple[Tensor, Tensor]:
    """From the full weight gradient, three columns of the kernel at a time.

    oneDNN's fast weight gradient of a depthwise convolution ends at kernels three wide: this is 8 times as
    fast as `full` with a kernel of 7 x 7, and 20 times in bfloat16.
    """
    width, step, pad = A.shape[-1], geometry.stride[-1], geometry.padding[-1]
    reach = (g.shape[-1] - 1) * step  # from the first to the last pixel that one column of the kernel sees
    inner = geometry._replace(padding=(*geometry.padding[:-1], 0))
    pieces = []
    for first in range(0, width, 3):
        wide = min(3, width - first)
        part = _window(x, first - pad, reach + wide)
        pieces.append(backward(g, part, _like(x, g.shape[1], A[..., :wide]), inner, of_input=False))
    return _project(torch.cat(pieces, -1), A, B)


GRADIENTS: dict[str, Callable[[Tensor, Tensor, Tensor, Tensor, Geometry], tuple[Tensor, Tensor]]] = {
    "low_rank": low_rank,
    "columns": columns,
    "full": full,
}


def _window(x: Tensor, start: int, width: int) -> Tensor:
    """`width` columns of x from `start` on, zeros where x has none."""
    first, last = max(start, 0), min(start + width, x.shape[-1])
    if last - first == width:
        return x[..., first:last]
    part = x.new_zeros(*x.shape[:-1], width)
    if is_channels_last(x):
        part = x.new_zeros(x.shape[0], *x.shape[2:-1], width, x.shape[1]).movedim(-1, 1)
    if first < last:
        part[..., first - start : last - start] = x[..., first:last]
    return part


def _like(x: Tensor, out: int, A: Tensor) -> Tensor:
    """A weight of which only shape, type and memory format matter."""
    weight = x.new_empty(out, *A.shape[1:])
    # In double precision PyTorch 2.15 gives wrong gradients for one image, groups and a channels_last weight.
    last = is_channels_last(x) and x.dtype != torch.double
    return weight.contiguous(memory_format=LAST[x.ndim]) if last else weight


def _project(weight_grad: Tensor, A: Tensor, B: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients of A and B from the weight's."""
    flat = weight_grad.flatten(1).to(torch.promote_types(weight_grad.dtype, torch.float32))
    A_flat, B = A.flatten(1).to(flat.dtype), B.to(flat.dtype)
    return (B.t() @ flat).view(A.shape), flat @ A_flat.t()
