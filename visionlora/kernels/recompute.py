"""What is kept of a layer's input for the backward pass: the input, or what the module below it keeps anyway.

GELU and layer normalization keep their own input for their backward pass. Keeping their output too, for the
adapter above, takes as much memory again: 28 % of the peak of a ConvNeXt step in float32, 19 % in bfloat16.
So it is recomputed in the backward pass from what is kept anyway, a piece at a time in the processor's cache
(`MatrixProduct.gradients`).
Activations whose backward pass needs their *output* (ReLU) keep what the layer above them keeps, at no cost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from visionlora.kernels.tensors import as_rows


class Recipe(NamedTuple):
    """How an input is recomputed, some rows of it at a time, from the tensors that `recipe_for` returns with
    it: for GELU (z,), for layer normalization (h, mean, 1 / deviation), its weight and its bias.

    Attributes:
        module: whose output the input is: "GELU" or "LayerNorm".
        dtype: the input's type.
        approximate: GELU's.
    """

    module: str
    dtype: torch.dtype
    approximate: str = "none"

    def rows(self, sources: Sequence[Tensor], channels_first: bool) -> Callable[[slice], Tensor]:
        """A function from a slice of rows to these rows of the input, (M, in)."""
        if self.module == "GELU":
            z = as_rows(sources[0], channels_first)
            return lambda rows: F.gelu(z[rows], approximate=self.approximate).to(self.dtype)
        h, mean, scale = (as_rows(t, channels_first) for t in sources[:3])
        if torch.is_grad_enabled():  # a second derivative must reach h through them too
            mean, variance = h.mean(-1, keepdim=True), h.var(-1, correction=0, keepdim=True)
            scale = (variance + (scale**-2 - variance).detach()).rsqrt()

        def normalized(rows: slice) -> Tensor:
            x = (h[rows] - mean[rows]) * scale[rows]
            if len(sources) == 5:
                x = torch.addcmul(sources[4], x, sources[3])
            return (x * sources[3] if len(sources) == 4 else x).to(self.dtype)

        return normalized


def recipe_for(x: Tensor, channels_first: bool) -> tuple[Recipe | None, tuple[Tensor, ...]]:
    """How the input x of `matmul` can be recomputed, and from which tensors; (None, ()) where it has to be
    kept itself."""
    if torch.compiler.is_compiling():  # a compiler decides for itself what is kept and what recomputed
        return None, ()
    node: Any = x.grad_fn
    if node is not None and node.name() == "ToCopyBackward0":  # autocast casts what a normalization gives
        node = node.next_functions[0][0]
    name = None if node is None else node.name()
    if name not in ("GeluBackward0", "NativeLayerNormBackward0"):
        return None, ()
    # Hooks (checkpointing, offloading) may have moved what is kept: reading it would bring it back. Of
    # PyTorch 2.6 one cannot learn whether there are any.
    top_hooks: Any = getattr(torch._C._autograd, "_top_saved_tensors_default_hooks", None)
    if top_hooks is None or top_hooks(True) is not None:
        return None, ()
    if name == "GeluBackward0":
        recipe, sources = Recipe("GELU", x.dtype, node._saved_approximate), [node._saved_self]
    elif channels_first or len(node._saved_normalized_shape) > 1:  # not rows are normalized
        return None, ()
    else:
        recipe = Recipe("LayerNorm", x.dtype)
        sources = [node._saved_input, node._saved_result1, node._saved_result2]
        sources += [t for t in (node._saved_weight, node._saved_bias) if t is not None]
    return (recipe, tuple(sources)) if sources[0].device == x.device else (None, ())
