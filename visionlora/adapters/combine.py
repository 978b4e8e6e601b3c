"""Arithmetic of updates: the sum, the difference, the mean, TIES and DARE of what several adapters learned.

An update is a low-rank product or a whole tensor. Sums of low-rank products stay products (A stacked, B side
by side); TIES and DARE look at single numbers, so they make whole tensors.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from visionlora.adapters.base import LowRank
from visionlora.adapters.errors import LoraError

Update = LowRank | Tensor
Updates = Mapping[str, Update]
METHODS = ("add", "subtract", "average", "ties", "dare", "dare_ties")


def combine(
    adapters: Sequence[Updates],
    method: str,
    weights: Sequence[float] | None = None,
    *,
    density: float = 0.5,
    seed: int = 0,
) -> dict[str, Update]:
    """One update for each name that an adapter has one for; one that has none counts as zero.

    Args:
        adapters: what each learned, by a name that is the same in all: low-rank (out, in/groups, kernel...),
        or whole.
        method: `add`: the weighted sum. `subtract`: the first minus the others. `average`: the
            weighted sum divided by the sum of the weights. `ties`: each adapter keeps its `density` largest
            numbers, each number gets the sign with the larger total, and those of that sign are averaged
            (Yadav et al. 2023, https://arxiv.org/abs/2306.01708, algorithm 1). `dare`: each number is dropped
            with probability 1 - density and the others are divided by it (Yu et al. 2023, https://arxiv.org/abs/2311.03099,
            equation 2), then added. `dare_ties`: dropped like that, then as TIES without keeping the largest.
        weights: of the adapters; None: 1 each.
        density: share of the numbers that TIES and DARE keep, above 0 and at most 1.
        seed: of DARE's choice, which is a function of it, the adapter's place and the name.

    Raises:
        LoraError: no adapters, an unknown method, or a number out of its range.
    """
    factors = list(weights or [1.0] * len(adapters))
    if not adapters or len(factors) != len(adapters):
        raise LoraError(f"There are {len(adapters)} adapters and {len(factors)} weights: give one for each.")
    if method not in METHODS:
        raise LoraError(f"method is {method!r}: give one of {', '.join(METHODS)}.")
    if not 0 < density <= 1:
        raise LoraError(f"density is {density}: give a share above 0 and at most 1.")
    total = sum(factors)
    if method in ("average", "ties", "dare_ties") and abs(total) < 1e-9:
        raise LoraError(f"the weights {factors} add up to 0, so there is no mean of the adapters.")
    if method == "subtract":
        factors = [factors[0], *(-one for one in factors[1:])]
    if method == "average":
        factors = [one / total for one in factors]
    names = list(dict.fromkeys(name for one in adapters for name in one))
    kept = list(adapters)
    if method.startswith("dare"):
        kept = [
            {name: _dropped(dense(one), density, f"{seed}/{place}/{name}") for name, one in updates.items()}
            for place, updates in enumerate(adapters)
        ]
    elif method == "ties":
        kept = [_largest(updates, density) for updates in adapters]
    join = _elected if method.endswith("ties") else _sum
    return {
        name: join([(factor, one[name]) for factor, one in zip(factors, kept, strict=True) if name in one])
        for name in names
    }


def dense(update: Update) -> Tensor:
    """As a whole tensor."""
    if isinstance(update, LowRank):
        return update.added_to(update.A.new_zeros(len(update.B), *update.A.shape[1:]))
    return update


def _sum(parts: Sequence[tuple[float, Update]]) -> Update:
    low_rank = [(factor, one) for factor, one in parts if isinstance(one, LowRank)]
    if len(low_rank) == len(parts):
        A = torch.cat([one.A for _, one in low_rank])
        B = torch.cat([factor * one.scaling * one.B for factor, one in low_rank], dim=1)
        return LowRank(A, B, 1.0)
    tensors = [factor * dense(one) for factor, one in parts]
    return sum(tensors[1:], tensors[0])


def _largest(updates: Updates, density: float) -> dict[str, Update]:
    """The numbers of largest magnitude over all of an adapter, the others zero."""
    if not updates:  # it has a new head alone, or other modules
        return {}
    tensors = {name: dense(one) for name, one in updates.items()}
    magnitudes = torch.cat([one.abs().flatten() for one in tensors.values()])
    count = max(1, round(density * len(magnitudes)))
    least = magnitudes.kthvalue(len(magnitudes) - count + 1).values
    return {name: torch.where(one.abs() >= least, one, 0) for name, one in tensors.items()}


def _dropped(tensor: Tensor, density: float, key: str) -> Tensor:
    digest = hashlib.sha256(key.encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
    kept = torch.rand(tensor.shape, generator=generator) < density
    return torch.where(kept.to(tensor.device), tensor / density, 0)


def _elected(parts: Sequence[tuple[float, Update]]) -> Tensor:
    """The weighted mean of the numbers that have the elected sign; zero where none has."""
    factors = torch.tensor([factor for factor, _ in parts])
    values = torch.stack([factor * dense(one) for factor, one in parts])
    agree = (values.sign() == values.sum(0).sign()) & (values != 0)
    shape = (-1, *(1,) * (values.ndim - 1))
    shares = torch.where(agree, factors.abs().to(values).view(shape), 0).sum(0)
    return torch.where(agree, values, 0).sum(0) / shares.clamp_min(torch.finfo(values.dtype).tiny)
