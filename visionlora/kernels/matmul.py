"""Adapted layers that are one matrix product: linear layers, and convolutions of one pixel in channels_last.

x is (M, in), the weight (out, in), A (r, in), B (out, r), g the gradient of the output, (M, out). The gradient
of A is `B' g' x`, that of B is `g' x A'`, both times the scaling. There are several ways to bracket them and
to compute the product itself; which is the fastest depends on the shape (`autotune`).

A product over many rows is fast only when its result is *wide* (r rows): with half a million rows `h' g` takes
a tenth of the time of `g' h`. So everything here is written with r rows in the result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.grad import conv2d_weight

from visionlora.kernels.merge import merged_weight
from visionlora.kernels.onednn import has_onednn, linear
from visionlora.kernels.tensors import LayerTensors

PRODUCTS = ("matmul", "onednn", "branch")
PIECE = 1 << 21  # numbers of x that are recomputed at once
_MIN_ROWS = 512  # rows that are worth being one product of a batch
_NARROW = 128  # columns up to which bfloat16 is faster in a batch


def as_rows(t: Tensor, channels_first: bool) -> Tensor:
    """(..., channels) or, channels first, (N, channels, size...) as (M, channels): a view where it can be."""
    return (t.movedim(1, -1) if channels_first else t).reshape(-1, t.shape[1 if channels_first else -1])


def from_rows(flat: Tensor, shape: Sequence[int], channels_first: bool) -> Tensor:
    """The inverse of `as_rows`, a view: (M, channels) as a tensor of this shape, whatever its channels."""
    if channels_first:
        return flat.view(shape[0], *shape[2:], -1).movedim(-1, 1)
    return flat.view(*shape[:-1], -1)


# ---------------------------------------------------------------------------------------------------------
# The products: y = x W' + bias and, in the backward pass, g W.


def weight_for(product: str, layer: LayerTensors, dtype: torch.dtype) -> Tensor:
    """The weight (out, in) that a product computes with: the merged one in this type; of "branch" the frozen
    one in its own type, whatever autocast says.

    For a few rows a large weight is read once and that is all the work: merging or casting it first reads it
    too, and writes it. For VGG19's classifier that was 6 % of a step, and 411 MB.
    """
    weight = layer.weight.dense() if product == "branch" else merged_weight(layer, dtype)
    return weight.flatten(1)


def forward(product: str, x: Tensor, weight: Tensor, layer: LayerTensors, channels_first: bool) -> Tensor:
    """The layer's output for x as `as_rows` takes it, given `weight_for`. Not a view."""
    flat, bias = as_rows(x, channels_first), layer.bias
    if product == "onednn":
        return _shaped(linear(flat, weight, bias), x.shape, channels_first)
    if product == "branch":
        flat = flat.to(weight.dtype)
        y = linear(flat, weight, None if bias is None else bias.to(weight.dtype))
        A, B = (factor.flatten(1).to(weight.dtype) for factor in (layer.A, layer.B))
        y.addmm_(F.linear(flat, A), B.t(), alpha=layer.scaling)
        return _shaped(y.to(x.dtype), x.shape, channels_first)
    y = _empty(x, weight.shape[0], channels_first)
    out = as_rows(y, channels_first)
    if bias is None:
        torch.mm(flat, weight.t(), out=out)
    else:
        torch.addmm(bias, flat, weight.t(), out=out)
    return y


def grad_input(
    product: str, g: Tensor, weight: Tensor, layer: LayerTensors, shape: Sequence[int], channels_first: bool
) -> Tensor:
    """The gradient of x, in x's shape, for g as rows, given `weight_for`. Not a view."""
    if product == "onednn":
        grad = linear(g, weight.t())
    elif product == "branch":
        wide = g.to(weight.dtype)
        A, B = (factor.flatten(1).to(weight.dtype) for factor in (layer.A, layer.B))
        grad = linear(wide, weight.t()).addmm_(wide @ B, A, alpha=layer.scaling).to(g.dtype)
    else:
        grad = g @ weight
    return _shaped(grad, shape, channels_first)


def _empty(like: Tensor, channels: int, channels_first: bool) -> Tensor:
    """An empty tensor like `like` with other channels, of which `as_rows` is a view."""
    if not channels_first:
        return like.new_empty(*like.shape[:-1], channels)
    shape = (like.shape[0], channels, *like.shape[2:])
    memory_format = torch.channels_last if like.ndim == 4 else torch.channels_last_3d
    return torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=memory_format)


def _shaped(y: Tensor, shape: Sequence[int], channels_first: bool) -> Tensor:
    """`from_rows`, but not as a view: a tensor of its own with the memory of y."""
    view = from_rows(y, shape, channels_first)
    if torch.is_grad_enabled() or torch.compiler.is_compiling():  # second derivatives, or a compiler, reach y
        return view
    return y.new_empty(0).set_(y.untyped_storage(), 0, view.shape, view.stride())


# ---------------------------------------------------------------------------------------------------------
# The adapter's gradients, for A and B multiplied by the scaling.


def full(x: Tensor, g: Tensor, A: Tensor, B: Tensor) -> tuple[Tensor, Tensor]:
    """From the full weight gradient g' x: best where in or out is small, or the rank is large."""
    weight_grad = _weight_gradient(x, g).to(torch.promote_types(g.dtype, torch.float32))
    A, B = A.to(weight_grad.dtype), B.to(weight_grad.dtype)
    return B.t() @ weight_grad, weight_grad @ A.t()


def _weight_gradient(x: Tensor, g: Tensor) -> Tensor:
    """g' x of (out, in). oneDNN computes it in half the time of a product as the weight gradient of a
    convolution of one pixel, from the larger side to the smaller one."""
    if not has_onednn(x) or torch.is_grad_enabled():
        return g.t() @ x
    if g.shape[1] > x.shape[1]:
        return _weight_gradient(g, x).t()
    image, gradient = (t.view(1, -1, 1, t.shape[1]).movedim(-1, 1) for t in (x, g))
    return conv2d_weight(image, (g.shape[1], x.shape[1], 1, 1), gradient).flatten(1)


def low_rank(x: Tensor, g: Tensor, A: Tensor, B: Tensor) -> tuple[Tensor, Tensor]:
    """From u = g B and h = x A', each of r columns."""
    u = F.linear(g, B.t().contiguous())
    h = F.linear(x, A)
    return tall(u, x), tall(h, g).t()


def low_rank_wide(x: Tensor, g: Tensor, A: Tensor, B: Tensor) -> tuple[Tensor, Tensor]:
    """The same with u' = B' g' and h' = A x' of r rows: best where oneDNN computes it, elsewhere for few
    rows."""
    h, u = linear(A, x), linear(B.t().contiguous(), g)
    grad_Bt = linear(h, g.t())  # before the gradient of A: g was read last
    return linear(u, x.t()), grad_Bt.t()


GRADIENTS: dict[str, Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]] = {
    "low_rank": low_rank,
    "low_rank_wide": low_rank_wide,
    "full": full,
}


def tall(thin: Tensor, wide: Tensor) -> Tensor:
    """`thin' wide`: (M, r) and (M, c) to (r, c), for M much larger than both.

    In single precision oneDNN is faster, the copy included; without it, and in bfloat16 where the result is
    narrow, a batch of short products takes half the time of one long one.
    """
    if thin.dtype == torch.float32 and has_onednn(thin) and not torch.is_grad_enabled():
        return linear(thin.t().contiguous(), wide.t())
    pieces = 1
    if thin.device.type == "cpu" and (thin.dtype == torch.float32 or wide.shape[1] <= _NARROW):
        while thin.shape[0] % (2 * pieces) == 0 and thin.shape[0] >= 2 * pieces * _MIN_ROWS:
            pieces *= 2
    if pieces == 1:
        return thin.t() @ wide
    thin, wide = (t.reshape(pieces, -1, t.shape[1]) for t in (thin, wide))
    return torch.bmm(thin.transpose(1, 2), wide).sum(0)


def gradients_in_pieces(
    gradient: str, x: Callable[[slice], Tensor], g: Tensor, A: Tensor, B: Tensor
) -> tuple[Tensor, Tensor]:
    """The gradients of A and B for an x that is computed a piece at a time."""
    dtype = torch.promote_types(g.dtype, torch.float32)
    grad_A, grad_B = (torch.zeros_like(factor, dtype=dtype) for factor in (A, B))
    many = max(1, PIECE // A.shape[1])
    for start in range(0, g.shape[0], many):
        rows = slice(start, start + many)
        piece_A, piece_B = GRADIENTS[gradient](x(rows), g[rows], A, B)
        grad_A, grad_B = grad_A + piece_A, grad_B + piece_B
    return grad_A, grad_B
