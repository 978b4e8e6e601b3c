"""The merged weight W + scaling * B @ A."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from visionlora.kernels.tensors import LayerTensors


def autocast_off(device: torch.device) -> AbstractContextManager:
    """Inside, operations compute in the types they are given."""
    if torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()


def update(A: Tensor, B: Tensor, scaling: float) -> Tensor:
    """scaling * B @ A in the shape of the weight, in A's type, whatever autocast says.

    Args:
        A: (r, in/groups, kernel...), or (r, in) for a linear layer.
        B: (out, r, 1...), or (out, r).
        scaling: the factor.
    """
    with autocast_off(A.device):
        product = B.flatten(1) @ A.flatten(1)
        return (product * scaling).view(B.shape[0], *A.shape[1:])


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


def scaled_factors(layer: LayerTensors, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """A, and B as (out, r), as the gradients take them: times the scaling, in this type."""
    A, B = layer.A, layer.B.flatten(1)
    if layer.scaling != 1:
        A, B = A * layer.scaling, B * layer.scaling
    return A.to(dtype), B.to(dtype)
