"""The merged weight W + scaling * B @ A."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from visionlora.kernels.matmul import has_onednn, linear

_LARGE = 1 << 19  # numbers of a weight from which on oneDNN's product is the faster one


def autocast_off(device: torch.device) -> AbstractContextManager:
    """Inside, operations compute in the types they are given."""
    if torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()


def update(A: Tensor, B: Tensor, scaling: float) -> Tensor:
    """scaling * B @ A in the shape of the weight, in A's type; autocast does not reach it."""
    with autocast_off(A.device):
        product = B.flatten(1) @ A.flatten(1)
        return (product * scaling).view(B.shape[0], *A.shape[1:])


def merged_weight(
    weight: Tensor, A: Tensor, B: Tensor, scaling: float, dtype: torch.dtype | None = None
) -> Tensor:
    """weight + scaling * B @ A in the memory format of the weight.

    Computed in A's type (at least single precision), cast once to `dtype` (by default the weight's).
    """
    with autocast_off(A.device):
        base = weight.to(A.dtype)
        last = base.ndim > 2 and not base.is_contiguous()  # channels_last: its rows are matrices as they lie
        if last:
            base, A = base.movedim(1, -1), A.movedim(1, -1)
        merged = _sum(base.flatten(1), A.flatten(1), B.flatten(1), scaling).view(base.shape)
        return (merged.movedim(-1, 1) if last else merged).to(dtype or weight.dtype)


def _sum(weight: Tensor, A: Tensor, B: Tensor, scaling: float) -> Tensor:
    """weight + scaling * B @ A of (out, rest): large ones by oneDNN in two thirds of the time."""
    if weight.numel() < _LARGE or not has_onednn(weight) or torch.is_grad_enabled():
        return torch.addmm(weight, B, A, alpha=scaling)
    return linear(B * scaling, A.t()).add_(weight)


def ready_weight(
    product: str, weight: Tensor, A: Tensor, B: Tensor, scaling: float, dtype: torch.dtype
) -> Tensor:
    """What a layer computes with: the merged weight in this type, or the frozen one beside a branch; "uncast"
    takes that as it is."""
    if product == "uncast":
        return weight
    return weight.to(dtype) if product == "branch" else merged_weight(weight, A, B, scaling, dtype)
