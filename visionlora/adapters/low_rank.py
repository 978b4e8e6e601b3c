"""Low-rank updates as a layer computes with them: summed, with dropped inputs, with scaled outputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from visionlora.adapters.base import Adapter, LowRank


def summed(updates: Sequence[LowRank]) -> LowRank:
    """The sum of at least one update of a weight: A stacked, B side by side."""
    if len(updates) == 1:
        return updates[0]
    A = torch.cat([one.A for one in updates])
    B = torch.cat([one.B * one.scaling for one in updates], dim=1)
    return LowRank(A, B, 1.0)


def scaled_outputs(low_rank: LowRank, scale: Tensor | None) -> LowRank:
    """The update with its outputs times `scale` (out, 1...), that of a folded batch norm; None: as it is."""
    return low_rank if scale is None else low_rank._replace(B=low_rank.B * scale.to(low_rank.B.dtype))


def drop_channels(A: Tensor, adapters: Sequence[Adapter]) -> Tensor:
    """Whole input channels of A dropped, each adapter's rows with its own probability."""
    if not any(adapter.dropout for adapter in adapters):
        return A
    ranks = [low_rank.A.shape[0] for one in adapters if (low_rank := one.low_rank()) is not None]
    pieces = []
    for adapter, rows in zip(adapters, A.split(ranks), strict=True):
        mask = A.new_ones(1, A.shape[1], *(1,) * (A.ndim - 2))
        pieces.append(rows * F.dropout(mask, adapter.dropout))
    return torch.cat(pieces) if len(pieces) > 1 else pieces[0]
