"""What is kept of a layer's input for the backward pass: the input, or what the activation below it keeps.

GELU keeps its own input for its backward pass. Keeping its output too, for the adapter above it, takes as
much memory again: a third of a whole ConvNeXt step. So it is made again in the backward pass from what is
kept anyway, a piece at a time in the processor's cache (`rows.gradients`). Activations whose backward pass
needs their *output* (ReLU) keep what the layer above them keeps, at no cost.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Gelu(NamedTuple):
    """An input that is ``gelu(z, approximate=approximate)``."""

    z: Tensor
    approximate: str


def gelu_below(x: Tensor) -> Gelu | None:
    """What x was made of, where it is the output of GELU and GELU keeps its input."""
    if torch.compiler.is_compiling():  # a compiler decides for itself what is kept and what made again
        return None
    node = x.grad_fn
    if node is None or node.name() != "GeluBackward0":
        return None
    # Hooks (checkpointing, offloading) may have put away what GELU keeps: asking for it would bring it back.
    if torch._C._autograd._top_saved_tensors_default_hooks(True) is not None:
        return None
    return Gelu(node._saved_self, node._saved_approximate)  # type: ignore[attr-defined]
