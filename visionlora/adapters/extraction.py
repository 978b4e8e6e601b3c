"""Low-rank adapters out of whole differences: a fine-tuned network minus its base, or a `full` adapter.

Each layer's difference is replaced by its best approximation of the given rank, the truncated singular value
decomposition (Eckart and Young 1936); LyCORIS and Kohya's trainers call it extraction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from visionlora.adapters.attaching import DEFAULT, attach_layers, detach
from visionlora.adapters.base import AdapterSettings
from visionlora.adapters.errors import LoraError
from visionlora.adapters.families.full import Full
from visionlora.adapters.families.lora import Lora
from visionlora.adapters.network import adapter_names, named_adapters, named_sites
from visionlora.adapters.sites import plain_weight
from visionlora.text import brief

SAME_WEIGHTS = "The two networks have the same weights: there is nothing to extract."


class Extracted(NamedTuple):
    """What was kept of one layer's difference.

    Attributes:
        rank: of the adapter.
        energy: share of the difference's squared norm that the adapter holds, 0 to 1.
    """

    rank: int
    energy: float


def extract(
    model: nn.Module,
    rank: int | None = None,
    *,
    energy: float | None = None,
    name: str | None = None,
    into: str = DEFAULT,
) -> dict[str, Extracted]:
    """Replace a `full` adapter by LoRA, in place.

    Args:
        model: has a `full` adapter.
        rank: of every layer; less where a layer's difference has less.
        energy: instead of a rank, the share of each difference's squared norm to keep at least, above 0.
        name: of the `full` adapter; None: the active one.
        into: the name of the LoRA adapter.

    Returns:
        Rank and energy by the full name of the weight.

    Raises:
        LoraError: there is no such adapter, it is of another family, or not exactly one of rank and energy is
            given.
    """
    adapters = named_adapters(model, name)
    others = [site for site, one in adapters.items() if not isinstance(one, Full)]
    if not adapters or others:
        what = f"the adapter of {others[0]} is of another family" if others else "there is none"
        raise LoraError(
            f"extract needs an adapter of family full; {what}: train one, or use extract_difference."
        )
    differences = {site: one.strength * cast(Full, one).difference.detach() for site, one in adapters.items()}
    factors = _factored(differences, rank, energy)
    detach(model, *(one for one in adapter_names(model) if _holds(model, one, adapters)))
    return _attach(model, factors, into)


def extract_difference(
    base: nn.Module,
    tuned: nn.Module,
    rank: int | None = None,
    *,
    energy: float | None = None,
    into: str = DEFAULT,
) -> dict[str, Extracted]:
    """Attach LoRA to `base`, in place, that makes of it what `tuned` is, as far as the rank allows.

    Only weights that can be adapted are compared. Layers without a difference get no adapter.

    Args:
        base, tuned: two plain networks of the same architecture.
        rank, energy, into: as `extract` has them.

    Returns:
        Rank and energy by the full name of the weight.

    Raises:
        LoraError: a weight is missing or of another shape, nothing differs, or not exactly one of rank and
            energy is given.
    """
    sites, others = named_sites(base), named_sites(tuned)
    differences = {}
    for name, (module, site) in sites.items():
        if name not in others:
            raise LoraError(
                f"{name} is missing in the tuned network: give two networks of the same architecture."
            )
        ours, theirs = (site.view(plain_weight(name, one, site)) for one in (module, others[name][0]))
        if ours.shape != theirs.shape:
            shapes = f"{tuple(ours.shape)} in the base and {tuple(theirs.shape)} in the tuned network"
            raise LoraError(f"{name} is {shapes}: give two networks of the same architecture.")
        dtype = torch.promote_types(ours.dtype, torch.float32)
        difference = theirs.detach().to(dtype) - ours.detach().to(dtype)
        if bool(difference.any()):
            differences[name] = difference
    if not differences:
        raise LoraError(SAME_WEIGHTS)
    return _attach(base, _factored(differences, rank, energy), into)


def _holds(model: nn.Module, name: str, adapters: Mapping[str, nn.Module]) -> bool:
    found = {id(one) for one in named_adapters(model, name).values()}
    return any(id(one) in found for one in adapters.values())


class _Factors(NamedTuple):
    A: Tensor
    B: Tensor
    energy: float


def low_rank_factors(difference: Tensor, rank: int | None, energy: float | None = None) -> _Factors:
    """A (r, in/groups, kernel...) and B (out, r, 1...) with B @ A the best approximation of the difference,
    and the energy that it holds. The singular values are shared equally by both."""
    U, S, Vh = torch.linalg.svd(difference.flatten(1), full_matrices=False)
    total = S.square().sum()
    held = S.square().cumsum(0) / total.clamp_min(torch.finfo(S.dtype).tiny)
    if rank is None:
        rank = 1 + int((held < energy).sum()) if total > 0 else 1
    rank = min(rank, len(S))
    root = S[:rank].sqrt()
    A = (root[:, None] * Vh[:rank]).reshape(rank, *difference.shape[1:])
    B = (U[:, :rank] * root).reshape(-1, rank, *(1,) * (difference.ndim - 2))
    return _Factors(A, B, float(held[rank - 1]) if total > 0 else 1.0)


def _factored(
    differences: Mapping[str, Tensor], rank: int | None, energy: float | None
) -> dict[str, _Factors]:
    if (rank is None) == (energy is None):
        raise LoraError("Give either a rank or the energy to keep, not both or neither.")
    if rank is not None and (type(rank) is not int or rank < 1):
        raise LoraError(f"rank is {brief(rank)}: give a whole number of at least 1.")
    if energy is not None and not (isinstance(energy, float | int) and 0 < energy <= 1):
        raise LoraError(f"energy is {brief(energy)}: give a share above 0 and at most 1.")
    for site, one in differences.items():
        if not bool(one.isfinite().all()):
            raise LoraError(f"{site}: the difference has values that are NaN or infinite: train it again.")
    return {site: low_rank_factors(one, rank, energy) for site, one in differences.items()}


def attach_factors(
    model: nn.Module, factors: Mapping[str, tuple[Tensor, Tensor]], name: str = DEFAULT
) -> None:
    """Attach LoRA with these A and B and a scaling of 1, in place, also to a network on the meta device.

    Args:
        model: plain or adapted.
        factors: A and B by the full name of the weight; they become the adapters' parameters.
        name: of the adapter.
    """
    settings = {site: AdapterSettings(rank=len(A), alpha=float(len(A))) for site, (A, _) in factors.items()}
    attach_layers(model, settings, name=name, generator=torch.Generator())
    for site, adapter in named_adapters(model, name).items():
        lora = cast(Lora, adapter)
        lora.lora_A, lora.lora_B = map(nn.Parameter, factors[site])


def _attach(model: nn.Module, factors: Mapping[str, _Factors], name: str) -> dict[str, Extracted]:
    attach_factors(model, {site: (one.A, one.B) for site, one in factors.items()}, name)
    return {site: Extracted(len(one.A), one.energy) for site, one in factors.items()}
