"""What is kept of a layer's input for the backward pass: the input, or what the module below it keeps anyway.

GELU and layer normalization keep their own input for their backward pass. Keeping their output too, for the
adapter above, takes as much memory again: half of a whole ConvNeXt step. So it is recomputed in the backward
pass from what is kept anyway, a piece at a time in the processor's cache (`matmul.gradients_in_pieces`). A
normalized input need not even be recomputed (`normalized`).
Activations whose backward pass needs their *output* (ReLU) keep what the layer above them keeps, at no cost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from visionlora.kernels.matmul import as_rows
from visionlora.kernels.onednn import linear

NORMALIZED = "normalized"  # the name of this implementation of the gradients


class Recipe(NamedTuple):
    """How an input is recomputed, some rows of it at a time, from the tensors that `recipe_for` returns with it:
    for GELU (z,), for layer normalization (h, mean, 1 / deviation), its weight and its bias.

    Attributes:
        module: whose output the input is: "GELU" or "LayerNorm".
        dtype: the input's type.
        approximate: GELU's.
    """

    module: str
    dtype: torch.dtype
    approximate: str = "none"

    @property
    def can_be_normalized(self) -> bool:
        """Whether `normalized` computes the gradients."""
        return self.module == "LayerNorm"

    def rows(self, tensors: Sequence[Tensor], channels_first: bool) -> Callable[[slice], Tensor]:
        """A function from a slice of rows to these rows of the input, (M, in)."""
        if self.module == "GELU":
            z = as_rows(tensors[0], channels_first)
            return lambda rows: F.gelu(z[rows], approximate=self.approximate).to(self.dtype)
        h, mean, scale = (as_rows(t, channels_first) for t in tensors[:3])
        affine = tensors[3:]
        if torch.is_grad_enabled():  # a second derivative must reach h through them too
            mean, variance = h.mean(-1, keepdim=True), h.var(-1, correction=0, keepdim=True)
            scale = (variance + (scale**-2 - variance).detach()).rsqrt()

        def normalized(rows: slice) -> Tensor:
            x = (h[rows] - mean[rows]) * scale[rows]
            if affine:
                x = x * affine[0] if len(affine) == 1 else torch.addcmul(affine[1], x, affine[0])
            return x.to(self.dtype)

        return normalized


def recipe_for(x: Tensor, channels_first: bool) -> tuple[Recipe | None, tuple[Tensor, ...]]:
    """How x can be recomputed, and from which tensors; (None, ()) where it has to be kept itself.

    Args:
        x: the input, as `matmul.as_rows` takes it.
        channels_first: likewise.
    """
    if torch.compiler.is_compiling():  # a compiler decides for itself what is kept and what recomputed
        return None, ()
    node: Any = x.grad_fn
    if node is not None and node.name() == "ToCopyBackward0":  # autocast casts what a normalization gives
        node = node.next_functions[0][0]
    name = None if node is None else node.name()
    if name not in ("GeluBackward0", "NativeLayerNormBackward0"):
        return None, ()
    # Hooks (checkpointing, offloading) may have moved what is kept: reading it would bring it back.
    if torch._C._autograd._top_saved_tensors_default_hooks(True) is not None:
        return None, ()
    if name == "GeluBackward0":
        recipe, tensors = Recipe("GELU", x.dtype, node._saved_approximate), [node._saved_self]
    else:
        recipe = Recipe("LayerNorm", x.dtype)
        tensors = [node._saved_input, node._saved_result1, node._saved_result2]
        tensors += [t for t in (node._saved_weight, node._saved_bias) if t is not None]
        if channels_first or len(node._saved_normalized_shape) > 1:  # not rows are normalized
            return None, ()
    return (recipe, tuple(tensors)) if tensors[0].device == x.device else (None, ())


def normalized(tensors: Sequence[Tensor], hidden: Tensor, g: Tensor, B: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients of A and B, scaling included, for the input x of layer normalization, without x.

    With h, mean and deviation of a row and the normalization's weight and bias, x is
    `(h - mean) / deviation * weight + bias`. So for u = g B and v = u / deviation the gradient of A is

        u' x = (v' h - v' mean 1') * weight + u' 1 bias'.

    The mean is subtracted with the same rounded v: rounding v costs what rounding x does. What is rounded
    before the mean is subtracted is the sum `v' h`: an error of |mean| / deviation times the type's.

    Args:
        tensors: (h, mean, 1 / deviation) and, where there are, weight and bias, as `recipe_for` returns them.
        hidden: A x' of (r, M), from the forward pass.
        g: the gradient of the output, (M, out).
        B: (out, r), with the scaling.
    """
    h, mean, scale = (as_rows(t, channels_first=False) for t in tensors[:3])
    u = linear(B.t().contiguous(), g)
    v = (u * scale.t()).to(h.dtype)
    grad_A = linear(v, h.t()).to(mean.dtype) - v.to(mean.dtype) @ mean
    if len(tensors) > 3:
        grad_A = grad_A * tensors[3]
    if len(tensors) > 4:
        grad_A = torch.addr(grad_A, u.sum(1, dtype=mean.dtype), tensors[4].to(mean.dtype))
    return grad_A, linear(hidden, g.t()).t()
