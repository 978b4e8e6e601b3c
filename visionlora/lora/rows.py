"""Adapted layers that are one matrix product: linear layers, and convolutions of one pixel in channels_last.

x is (M, in), the weight (out, in), A (r, in), B (out, r). The gradient of A is `B' g' x`, that of B is
`g' x A'`, both times the scaling. Three ways to bracket them, and three ways to compute the product itself;
which wins depends on the shape (`choice`).

A tall, thin product is quick only when its result is *wide* (r rows): `h' g` takes a tenth of the time of
`g' h` with half a million rows. So everything here is phrased with r rows in the result.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

CHUNK = 2048  # rows of x and g that stay in a core's cache between their two uses
PIECE = 512  # rows of a product that are worth being one of a batch

PRODUCTS = ("matmul", "branch")


def as_rows(t: Tensor, channels_first: bool) -> Tensor:
    """(..., channels) or, channels first, (N, channels, size...) as (M, channels): a view where it can be."""
    return (t.movedim(1, -1) if channels_first else t).reshape(-1, t.shape[1 if channels_first else -1])


def empty(like: Tensor, channels: int, channels_first: bool) -> Tensor:
    """An empty tensor like `like` with other channels, of which `as_rows` is a view."""
    if not channels_first:
        return like.new_empty(*like.shape[:-1], channels)
    shape = (like.shape[0], channels, *like.shape[2:])
    memory_format = torch.channels_last if like.ndim == 4 else torch.channels_last_3d
    return torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=memory_format)


# ---------------------------------------------------------------------------------------------------------
# The products: y = x W' + bias and, backwards, g W.


def forward(
    product: str,
    x: Tensor,
    ready: Tensor,
    bias: Tensor | None,
    A: Tensor,
    B: Tensor,
    scaling: float,
    out: Tensor,
) -> None:
    """The layer's output into `out`, (M, out); `ready` is its `ready_weight`."""
    if bias is None:
        torch.mm(x, ready.t(), out=out)
    else:
        torch.addmm(bias, x, ready.t(), out=out)
    if product == "branch":
        out.addmm_(F.linear(x, A.to(x.dtype)), B.to(x.dtype).t(), alpha=scaling)


def grad_input(product: str, g: Tensor, ready: Tensor, A: Tensor, B: Tensor, scaling: float) -> Tensor:
    """The gradient of x, (M, in)."""
    if product == "matmul":
        return g @ ready
    return (g @ ready).addmm_(g @ B.to(g.dtype), A.to(g.dtype), alpha=scaling)


# ---------------------------------------------------------------------------------------------------------
# The adapter's gradients, for A and B that the scaling is already in.


def full(x: Tensor, g: Tensor, A: Tensor, B: Tensor) -> tuple[Tensor, Tensor]:
    """By way of the full weight gradient g' x: best where in or out is small."""
    weight_grad = (g.t() @ x).to(torch.promote_types(g.dtype, torch.float32))
    A, B = A.to(weight_grad.dtype), B.to(weight_grad.dtype)
    return B.t() @ weight_grad, weight_grad @ A.t()


def low_rank(x: Tensor, g: Tensor, A: Tensor, B: Tensor) -> tuple[Tensor, Tensor]:
    """By way of u = g B and h = x A', each of r columns."""
    u = F.linear(g, B.t().contiguous())
    h = F.linear(x, A)
    return tall(u, x), tall(h, g).t()


def low_rank_wide(x: Tensor, g: Tensor, A: Tensor, B: Tensor) -> tuple[Tensor, Tensor]:
    """The same with u' = B' g' and h' = A x' of r rows: best for few rows."""
    return (B.t().contiguous() @ g.t()) @ x, ((A @ x.t()) @ g).t()


def low_rank_chunked(x: Tensor, g: Tensor, A: Tensor, B: Tensor) -> tuple[Tensor, Tensor]:
    """The same, a piece of x and g at a time, so that the second product finds them in the cache."""
    Bt = B.t().contiguous()
    grad_A, grad_Bt = torch.zeros_like(A), torch.zeros_like(Bt)
    for x_piece, g_piece in zip(x.split(CHUNK), g.split(CHUNK), strict=True):
        grad_A.addmm_(Bt @ g_piece.t(), x_piece)
        grad_Bt.addmm_(A @ x_piece.t(), g_piece)
    return grad_A, grad_Bt.t()


def tall(thin: Tensor, wide: Tensor) -> Tensor:
    """`thin' wide`: (M, r) and (M, c) to (r, c), for M much larger than both.

    In single precision CPU libraries are twice as fast at a batch of short products as at one long one.
    """
    pieces = 1
    if thin.dtype == torch.float32 and thin.device.type == "cpu":
        while thin.shape[0] % (2 * pieces) == 0 and thin.shape[0] >= 2 * pieces * PIECE:
            pieces *= 2
    if pieces == 1:
        return thin.t() @ wide
    thin, wide = (t.reshape(pieces, -1, t.shape[1]) for t in (thin, wide))
    return torch.bmm(thin.transpose(1, 2), wide).sum(0)


GRADIENTS: dict[str, Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]] = {
    "low_rank": low_rank,
    "low_rank_wide": low_rank_wide,
    "low_rank_chunked": low_rank_chunked,
    "full": full,
}


def gradients_in_pieces(
    way: str, x: Callable[[slice], Tensor], g: Tensor, A: Tensor, B: Tensor
) -> tuple[Tensor, Tensor]:
    """The gradients of A and B in one of these ways, for an x that is made a piece at a time."""
    dtype = torch.promote_types(g.dtype, torch.float32)
    grad_A, grad_B = (torch.zeros_like(factor, dtype=dtype) for factor in (A, B))
    for start in range(0, g.shape[0], CHUNK):
        rows = slice(start, start + CHUNK)
        piece_A, piece_B = GRADIENTS[way](x(rows), g[rows], A, B)
        grad_A, grad_B = grad_A + piece_A, grad_B + piece_B
    return grad_A, grad_B
