"""How large updates are beside their weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from visionlora.adapters.layers import AdaptedLayer
from visionlora.adapters.network import adapted_layers
from visionlora.frozen.packed import PackedWeight


@torch.no_grad()
def update_sizes(network: nn.Module) -> dict[str, float]:
    """For each adapted layer the update's Frobenius norm relative to the weight's.

    A low-rank update is not multiplied out, nor a quantised weight dense as a whole: of VGG19's first linear
    layer that took 2 GB, more than anything else in a run.
    """
    return {
        name: _update_norm(layer) / max(_weight_norm(layer.base_weight), torch.finfo(torch.float32).tiny)
        for name, layer in adapted_layers(network).items()
    }


def _update_norm(layer: AdaptedLayer) -> float:
    plain = len(layer.sites) == 1 and layer.sites[0].fixed is None
    low_rank = layer.low_rank() if plain else None
    if low_rank is None:
        return float(layer.update().norm())
    # The trace of (B A)' B A is that of (B'B) (A A'). On the CPU: not every device has double precision.
    A, B = (factor.flatten(1).cpu().double() for factor in (low_rank.A, low_rank.B))
    return abs(low_rank.scaling) * float(((B.t() @ B) * (A @ A.t())).sum().clamp_min(0).sqrt())


def _weight_norm(weight: Tensor) -> float:
    if isinstance(weight, PackedWeight):
        return float(torch.stack([piece.norm() for _, piece in weight.pieces()]).norm())
    return float(weight.norm())
