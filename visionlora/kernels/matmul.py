"""Adapted layers that are one matrix product: linear layers, and convolutions of one pixel in channels_last.

x is (M, in), the weight (out, in), A (r, in), B (out, r). The gradient of A is `B' g' x`, that of B is
`g' x A'`, both times the scaling. There are several ways to bracket them and to compute the product itself;
which wins depends on the shape (`choice`).

A tall, thin product is quick only when its result is *wide* (r rows): `h' g` takes a tenth of the time of
`g' h` with half a million rows. So everything here is phrased with r rows in the result. oneDNN, asked for
directly, takes half the time of the BLAS for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.grad import conv2d_weight

CHUNK = 2048  # rows of x and g that stay in a core's cache between their two uses
MADE = 1 << 21  # numbers of x that are made again at once
PIECE = 512  # rows of a product that are worth being one of a batch
LONG = 4096  # rows from which on a product with the identity turns a matrix faster than a copy
NARROW = 128  # columns up to which bfloat16 is faster in a batch

PRODUCTS = ("matmul", "onednn", "branch", "uncast")


def as_rows(t: Tensor, channels_first: bool) -> Tensor:
    """(..., channels) or, channels first, (N, channels, size...) as (M, channels): a view where it can be."""
    return (t.movedim(1, -1) if channels_first else t).reshape(-1, t.shape[1 if channels_first else -1])


def from_rows(flat: Tensor, shape: Sequence[int], channels_first: bool) -> Tensor:
    """The inverse of `as_rows`, a view: (M, channels) as a tensor of this shape, whatever its channels."""
    if channels_first:
        return flat.view(shape[0], *shape[2:], -1).movedim(-1, 1)
    return flat.view(*shape[:-1], -1)


def empty(like: Tensor, channels: int, channels_first: bool) -> Tensor:
    """An empty tensor like `like` with other channels, of which `as_rows` is a view."""
    if not channels_first:
        return like.new_empty(*like.shape[:-1], channels)
    shape = (like.shape[0], channels, *like.shape[2:])
    memory_format = torch.channels_last if like.ndim == 4 else torch.channels_last_3d
    return torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=memory_format)


# ---------------------------------------------------------------------------------------------------------
# The products: y = x W' + bias and, backwards, g W.


def can_stay_uncast(x: Tensor, weight: Tensor) -> bool:
    """Whether the way "uncast" is one: "branch" with the weight in its own type, whatever autocast says.

    For a few rows a large weight is read once and that is all the work: casting it first reads it too, and
    writes it, and the copy stays until the backward pass. For VGG19's classifier that was 6 % of a step.
    """
    return (x.dtype != weight.dtype or has_onednn(x)) and not torch.compiler.is_compiling()


def has_onednn(x: Tensor) -> bool:
    """Whether the way "onednn" is one here: oneDNN's own product, asked for directly.

    PyTorch leaves products in single precision to the BLAS, whatever the processor: on AMD's the BLAS (MKL)
    takes 1.1 to 2.3 times as long for the layers of ResNet50 and ConvNeXt. In bfloat16 it takes oneDNN's, but
    writes the bias into the output first: where the output is wide that doubles the time.
    """
    if x.device.type != "cpu" or not torch.backends.mkldnn.is_available() or torch.compiler.is_compiling():
        return False
    ops = torch.ops.mkldnn
    if x.dtype == torch.bfloat16:
        return hasattr(ops, "_linear_pointwise") and ops._is_mkldnn_bf16_supported()
    return hasattr(ops, "_linear_pointwise") and x.dtype == torch.float32


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x W' + bias by oneDNN where it can."""
    if has_onednn(x) and not torch.is_grad_enabled():  # it has no derivative, and second ones need it
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return F.linear(x, weight, bias)


def forward(
    product: str,
    x: Tensor,
    ready: Tensor,
    bias: Tensor | None,
    A: Tensor,
    B: Tensor,
    scaling: float,
    channels_first: bool,
) -> Tensor:
    """The layer's output for x as `as_rows` takes it; `ready` is its `ready_weight`. No view of anything."""
    flat = as_rows(x, channels_first)
    if product == "onednn":
        return _shaped(linear(flat, ready, bias), x.shape, channels_first)
    if product == "uncast":
        wide = flat.to(ready.dtype)
        y = linear(wide, ready, None if bias is None else bias.to(ready.dtype))
        y.addmm_(F.linear(wide, A.to(ready.dtype)), B.to(ready.dtype).t(), alpha=scaling)
        return _shaped(y.to(x.dtype), x.shape, channels_first)
    y = empty(x, ready.shape[0], channels_first)
    out = as_rows(y, channels_first)
    if bias is None:
        torch.mm(flat, ready.t(), out=out)
    else:
        torch.addmm(bias, flat, ready.t(), out=out)
    if product == "branch":
        out.addmm_(F.linear(flat, A.to(x.dtype)), B.to(x.dtype).t(), alpha=scaling)
    return y


def _shaped(y: Tensor, shape: Sequence[int], channels_first: bool) -> Tensor:
    """`from_rows`, but not as a view: a tensor of its own with the memory of y."""
    view = from_rows(y, shape, channels_first)
    if torch.is_grad_enabled() or torch.compiler.is_compiling():  # second derivatives, or a compiler, reach y
        return view
    return y.new_empty(0).set_(y.untyped_storage(), 0, view.shape, view.stride())


def grad_input(
    product: str,
    g: Tensor,
    ready: Tensor,
    A: Tensor,
    B: Tensor,
    scaling: float,
    shape: Sequence[int],
    channels_first: bool,
) -> Tensor:
    """The gradient of x, in its shape, for g as `as_rows` has it."""
    if product == "onednn":
        grad = linear(g, ready.t())
    elif product in ("branch", "uncast"):
        wide = g.to(ready.dtype)
        grad = wide @ ready if product == "branch" else linear(wide, ready.t())
        grad = grad.addmm_(wide @ B.to(wide.dtype), A.to(wide.dtype), alpha=scaling).to(g.dtype)
    else:
        grad = g @ ready
    return _shaped(grad, shape, channels_first)


# ---------------------------------------------------------------------------------------------------------
# The adapter's gradients, for A and B that the scaling is already in.


def full(x: Tensor, g: Tensor, A: Tensor, B: Tensor) -> tuple[Tensor, Tensor]:
    """By way of the full weight gradient g' x: best where in or out is small, or the rank is large."""
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
    """By way of u = g B and h = x A', each of r columns."""
    u = F.linear(g, B.t().contiguous())
    h = F.linear(x, A)
    return tall(u, x), tall(h, g).t()


def low_rank_wide(x: Tensor, g: Tensor, A: Tensor, B: Tensor) -> tuple[Tensor, Tensor]:
    """The same with u' = B' g' and h' = A x' of r rows: best where oneDNN computes it, elsewhere for few
    rows."""
    h, u = linear(A, x), linear(B.t().contiguous(), g)
    grad_Bt = linear(h, g.t())  # before the gradient of A: g was read last
    return linear(u, x.t()), grad_Bt.t()


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

    In single precision oneDNN is faster, the copy included; without it, and in bfloat16 where the result is
    narrow, a batch of short products takes half the time of one long one.
    """
    pieces = 1
    if thin.device.type == "cpu" and (thin.dtype == torch.float32 or wide.shape[1] <= NARROW):
        if thin.dtype == torch.float32 and has_onednn(thin) and not torch.is_grad_enabled():
            return linear(_turned(thin), wide.t())
        while thin.shape[0] % (2 * pieces) == 0 and thin.shape[0] >= 2 * pieces * PIECE:
            pieces *= 2
    if pieces == 1:
        return thin.t() @ wide
    thin, wide = (t.reshape(pieces, -1, t.shape[1]) for t in (thin, wide))
    return torch.bmm(thin.transpose(1, 2), wide).sum(0)


def _turned(thin: Tensor) -> Tensor:
    """thin' as it lies in memory: as oneDNN's product with the identity in a half of a copy's time."""
    if thin.shape[1] == 1 or thin.shape[0] < LONG:
        return thin.t().contiguous()
    return linear(torch.eye(thin.shape[1], dtype=thin.dtype), thin)


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
    many = max(1, MADE // A.shape[1])
    for start in range(0, g.shape[0], many):
        rows = slice(start, start + many)
        piece_A, piece_B = GRADIENTS[way](x(rows), g[rows], A, B)
        grad_A, grad_B = grad_A + piece_A, grad_B + piece_B
    return grad_A, grad_B
