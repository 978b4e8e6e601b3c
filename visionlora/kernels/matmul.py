"""Adapted layers that are one matrix product: linear layers, and convolutions of one pixel in channels_last.

x is (M, in), the weight (out, in), A (r, in), B (out, r), g the gradient of the output, (M, out). The
gradient of A is `B' g' x`, that of B is `g' x A'`, both times the scaling. There are several orders to
compute them in and several routines for the product; which is the fastest depends on the shape.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.grad import conv2d_weight

from visionlora.kernels.recompute import Recipe
from visionlora.kernels.tensors import LAST, Factors, LayerTensors, as_rows, from_rows, transformed

PRODUCTS = ("matmul", "onednn", "branch")
PIECE = 1 << 21  # numbers of x that are recomputed at once


def has_onednn(x: Tensor) -> bool:
    """Whether oneDNN's product can be called for x: float32 or bfloat16, on the CPU, not being transformed.

    PyTorch leaves products in single precision to the BLAS: on AMD's processors the BLAS (MKL) takes 1.1 to
    2.3 times as long for the layers of ResNet50 and ConvNeXt. In bfloat16 it writes the bias into the output
    first: where the output is wide that doubles the time.
    """
    recorded = torch.compiler.is_compiling() or transformed()  # it has no batching rule
    if recorded or x.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    ops = torch.ops.mkldnn
    known = x.dtype == torch.float32 or (x.dtype == torch.bfloat16 and ops._is_mkldnn_bf16_supported())
    return known and hasattr(ops, "_linear_pointwise")


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x W' + bias, by oneDNN where it can be."""
    if has_onednn(x) and not torch.is_grad_enabled():  # it has no derivative, and second ones need it
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return F.linear(x, weight, bias)


class MatrixProduct(NamedTuple):
    """The computation of a layer that is one matrix product.

    Attributes:
        channels_first: x is (N, in, size...) in channels_last; otherwise (..., in).
        recipe: how x is recomputed from the tensors that are kept; None: x itself is kept.
    """

    channels_first: bool
    recipe: Recipe | None = None

    def flatten(self, t: Tensor) -> Tensor:
        """x or an output gradient as rows, (M, channels). Rows stay as they are."""
        return as_rows(t, self.channels_first)

    def forward(self, product: str, x: Tensor, weight: Any, bias: Tensor | None) -> Tensor:
        """The output. Not a view."""
        return self._shaped(_product(product, self.flatten(x), weight, bias), x.shape)

    def grad_input(self, product: str, g: Tensor, like: Tensor, weight: Any) -> Tensor:
        """g W, for g (M, out), in the shape of `like`. Not a view."""
        return self._shaped(_product(product, g, weight, None, transposed=True), like.shape)

    def gradients(self, gradient: str, kept: Sequence[Tensor], g: Tensor, layer: LayerTensors) -> Factors:
        """The gradients of A (r, in) and B (out, r), for g (M, out), from (x,) or the recipe's sources. An x
        that is recomputed is computed a piece at a time."""
        A, B = layer.scaled_factors(g.dtype)
        A = A.flatten(1)
        if self.recipe is None:
            return GRADIENTS[gradient](self.flatten(kept[0]), g, A, B)
        x = self.recipe.rows(kept, self.channels_first)
        dtype = torch.promote_types(g.dtype, torch.float32)
        grad_A, grad_B = (torch.zeros_like(factor, dtype=dtype) for factor in (A, B))
        many = max(1, PIECE // A.shape[1])
        for start in range(0, g.shape[0], many):
            rows = slice(start, start + many)
            piece_A, piece_B = GRADIENTS[gradient](x(rows), g[rows], A, B)
            grad_A, grad_B = grad_A + piece_A, grad_B + piece_B
        return grad_A, grad_B

    def _shaped(self, y: Tensor, shape: Sequence[int]) -> Tensor:
        """`from_rows`, but not as a view: y itself."""
        # Second derivatives, or a compiler, reach y.
        if torch.is_grad_enabled() or torch.compiler.is_compiling():
            return from_rows(y, shape, self.channels_first)
        if not self.channels_first:
            return y.resize_(*shape[:-1], y.shape[1])
        return y.resize_(shape[0], y.shape[1], *shape[2:], memory_format=LAST[len(shape)])


def _product(name: str, x: Tensor, weight: Any, bias: Tensor | None, transposed: bool = False) -> Tensor:
    """x W' + bias by this implementation, or, transposed, x W. For "branch" the weight is a layer's tensors.

    That computes with the frozen weight in its own type, whatever autocast says: for a few rows reading a
    large weight is all the work; merging or casting it first was 6 % of VGG19's step, and 411 MB.
    """
    if isinstance(weight, Tensor):
        matrix = weight.flatten(1)
        return (linear if name == "onednn" else F.linear)(x, matrix.t() if transposed else matrix, bias)
    layer, dtype = weight, weight.weight.dtype
    A, B = (factor.flatten(1).to(dtype) for factor in (layer.A, layer.B))
    first, second = (B, A) if transposed else (A.t(), B.t())
    wide = x.to(dtype)
    y = layer.weight.product(wide, None if bias is None else bias.to(dtype), transposed)
    return y.addmm_(wide @ first, second, alpha=layer.scaling).to(x.dtype)


# The adapter's gradients, for A and B multiplied by the scaling.


def low_rank(x: Tensor, g: Tensor, A: Tensor, B: Tensor) -> Factors:
    """From u' = B' g' and h' = A x', each of r rows. With half a million columns `h' g` takes a tenth of the
    time of `g' h`: a product over many rows is fast only when its result is wide."""
    h, u = linear(A, x), linear(B.t().contiguous(), g)
    grad_Bt = linear(h, g.t())  # before the gradient of A: g was read last
    return linear(u, x.t()), grad_Bt.t()


def full(x: Tensor, g: Tensor, A: Tensor, B: Tensor) -> Factors:
    """From the full weight gradient g' x: best where in or out is small, or the rank is large."""
    weight_grad = weight_gradient(x, g).to(torch.promote_types(g.dtype, torch.float32))
    A, B = A.to(weight_grad.dtype), B.to(weight_grad.dtype)
    return B.t() @ weight_grad, weight_grad @ A.t()


def weight_gradient(x: Tensor, g: Tensor) -> Tensor:
    """g' x of (out, in), from the larger side to the smaller one: a product, or, in bfloat16 or for many rows
    of few channels, oneDNN's weight gradient of a convolution of one pixel (up to seven times as fast)."""
    if g.shape[1] > x.shape[1]:
        return weight_gradient(g, x).t()
    convolved = x.dtype == torch.bfloat16 or (len(x) >= 2**15 and g.shape[1] < 64)
    if not convolved or not has_onednn(x) or torch.is_grad_enabled():
        return linear(g.t(), x.t())
    image, gradient = (t.view(1, -1, 1, t.shape[1]).movedim(-1, 1) for t in (x, g))
    return conv2d_weight(image, (g.shape[1], x.shape[1], 1, 1), gradient).flatten(1)


GRADIENTS: dict[str, Callable[..., Factors]] = {"low_rank": low_rank, "full": full}
