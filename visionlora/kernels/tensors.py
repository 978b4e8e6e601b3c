"""What the kernels compute with: a frozen weight, an adapted layer's tensors and its merged weight."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

Factors = tuple[Tensor, Tensor]
"""A and B as (out, r), or their gradients."""
LAST = {4: torch.channels_last, 5: torch.channels_last_3d}


class FrozenWeight(Protocol):
    """A base weight that gets no gradient, dense or quantised. Kernels ask for the dense tensor, which has
    its shape and type, in the forward and again in the backward pass, and never keep it between. A layer
    whose weight requires a gradient is computed by PyTorch's own operations."""

    @property
    def shape(self) -> torch.Size: ...
    @property
    def dtype(self) -> torch.dtype: ...
    @property
    def device(self) -> torch.device: ...
    @property
    def requires_grad(self) -> bool: ...
    @property
    def is_stored(self) -> bool: ...  # a tensor in memory: another one as large may be kept too

    def dense(self, dtype: torch.dtype | None = None) -> Tensor:
        """The numbers in this type, by default its own. May be the stored tensor itself: read only."""

    def operand(self) -> Tensor:
        """What PyTorch's own operations take, and keep for the backward pass: the form that is stored."""

    def product(self, x: Tensor, bias: Tensor | None = None, transposed: bool = False) -> Tensor:
        """x W' + bias for x (M, in), or, transposed, x W for x (M, out)."""


class LayerTensors(NamedTuple):
    """An adapted layer: its weight is `weight + scaling * B @ A`, reshaped.

    Attributes:
        weight: (out, in/groups, kernel...), or (out, in) for a linear layer.
        bias: (out,), or None.
        A: (r, in/groups, kernel...), or (r, in).
        B: (out, r, 1...), or (out, r).
        scaling: the factor of the update.
    """

    weight: FrozenWeight
    bias: Tensor | None
    A: Tensor
    B: Tensor
    scaling: float

    def operand(self, product: str, dtype: torch.dtype) -> Any:
        """What the product by this implementation takes: the merged weight, or the layer itself."""
        return self if product == "branch" else merged_weight(self, dtype)

    def scaled_factors(self, dtype: torch.dtype) -> Factors:
        """A and B as the gradients take them: times the scaling, in this type."""
        A, B = self.A, self.B.flatten(1)
        if self.scaling != 1:
            A, B = A * self.scaling, B * self.scaling
        return A.to(dtype), B.to(dtype)


def as_rows(t: Tensor, channels_first: bool) -> Tensor:
    """(..., channels) or, channels first, (N, channels, size...) as (M, channels): a view where it can be."""
    return (t.movedim(1, -1) if channels_first else t).reshape(-1, t.shape[1 if channels_first else -1])


def from_rows(flat: Tensor, shape: Sequence[int], channels_first: bool) -> Tensor:
    """The inverse of `as_rows`, a view: (M, channels) as a tensor of this shape, whatever its channels."""
    if channels_first:
        return flat.view(shape[0], *shape[2:], -1).movedim(-1, 1)
    return flat.view(*shape[:-1], -1)


def autocast_off(device: torch.device) -> AbstractContextManager:
    """Inside, operations compute in the types they are given."""
    if torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()


def transformed() -> bool:
    """Whether `torch.func` or `torch.jit.trace` has no rule for functions of our own."""
    return torch._C._are_functorch_transforms_active() or torch.jit.is_tracing()


def merged_weight(layer: LayerTensors, dtype: torch.dtype | None = None) -> Tensor:
    """weight + scaling * B @ A in the shape and memory format of the weight, differentiable in A and B.

    Computed in A's type (at least single precision), cast once to `dtype` (by default the weight's).
    """
    A, B = layer.A, layer.B.flatten(1)
    with autocast_off(A.device):
        base = layer.weight.dense(A.dtype)
        last = base.ndim > 2 and not base.is_contiguous()  # channels_last: its rows are matrices as they lie
        if last:
            base, A = base.movedim(1, -1), A.movedim(1, -1)
        merged = torch.addmm(base.flatten(1), B, A.flatten(1), alpha=layer.scaling).view(base.shape)
        return (merged.movedim(-1, 1) if last else merged).to(dtype or layer.weight.dtype)
