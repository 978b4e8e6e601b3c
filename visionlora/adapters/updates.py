"""Low-rank updates of a network's weights, apart from the adapters that hold them.

Two updates of one weight are one update again, of the sum of their ranks: A stacked, B side by side. So what
was trained on top of a merged adapter can be saved together with it, as one adapter of the plain network.
"""

from __future__ import annotations

import torch
from torch import nn

from visionlora.adapters.base import Adapter, LowRank
from visionlora.adapters.errors import LoraError
from visionlora.adapters.extraction import low_rank_factors
from visionlora.adapters.network import active_names, named_adapters


def low_rank_updates(model: nn.Module) -> dict[str, LowRank]:
    """The updates of the active adapters, their strength included, by the full name of the weight; copies
    without a gradient, on the CPU.

    Raises:
        LoraError: an adapter's update is not low-rank, or a weight has several active adapters.
    """
    found: dict[str, Adapter] = {}
    for name in active_names(model):
        for site, adapter in named_adapters(model, name).items():
            if site in found:
                raise LoraError(f"{site} has several adapters ({found[site].family}, {adapter.family})")
            found[site] = adapter
    updates = {}
    for site, adapter in found.items():
        training = adapter.training
        low_rank = adapter.eval().low_rank()  # a rank that DyLoRA drew for one step is not the adapter's
        adapter.train(training)
        if low_rank is None:
            raise LoraError(f"the update of {site} is not low-rank (family {adapter.family})")
        A, B, scaling = low_rank
        updates[site] = LowRank(A.detach().cpu().clone(), B.detach().cpu().clone(), float(scaling))
    return updates


def add_updates(*updates: LowRank) -> LowRank:
    """The sum of updates of one weight, with a scaling of 1.

    Its rank is the sum of theirs. Where the weight itself cannot have so high a rank, the product is
    decomposed again at the weight's own, which is exact up to rounding.
    """
    A = torch.cat([update.A for update in updates])
    B = torch.cat([update.scaling * update.B for update in updates], dim=1)
    full_rank = min(len(B), A[0].numel())
    if len(A) <= full_rank:
        return LowRank(A, B, 1.0)
    product = (B.flatten(1) @ A.flatten(1)).reshape(len(B), *A.shape[1:])
    A, B, _ = low_rank_factors(product, full_rank)
    return LowRank(A, B, 1.0)
