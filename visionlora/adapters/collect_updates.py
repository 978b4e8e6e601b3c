"""What the adapters on a network learned, apart from their families; and one adapter of such updates."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from visionlora.adapters.attaching import DEFAULT, activate, attach_layers
from visionlora.adapters.base import AdapterSettings, LowRank
from visionlora.adapters.combine import Update, Updates, combine
from visionlora.adapters.errors import LoraError
from visionlora.adapters.extraction import attach_factors
from visionlora.adapters.families.bias import Bias
from visionlora.adapters.families.norm import Norm
from visionlora.adapters.module_adapter import ModuleAdapter
from visionlora.adapters.network import adapted_layers, named_adapters, named_sites
from visionlora.adapters.recompress import factored, recompressed

BIAS = "bias of "
_BESIDE: dict[str, tuple[type[ModuleAdapter], str]] = {
    BIAS: (Bias, "difference"),
    "norm weight of ": (Norm, "weight_difference"),
    "norm bias of ": (Norm, "bias_difference"),
}
"""What is no change of a layer's own weight, by the beginning of its name: the family and its parameter."""


class Kept(NamedTuple):
    """Of one weight's update.

    Attributes:
        rank: of the adapter; None where the whole difference is kept.
        energy: share of the squared norm that is kept, 0 to 1.
        norm: of the whole update.
    """

    rank: int | None
    energy: float
    norm: float


@torch.no_grad()
def collect_updates(model: nn.Module, names: Collection[str]) -> dict[str, Update]:
    """The sum of the updates of these adapters, strengths included, by the full name of the weight; changes
    of biases and norms under names of their own.

    Raises:
        LoraError: an adapter is computed beside its layer and changes none of its tensors.
    """
    found: dict[str, Update] = {}
    sites = named_sites(model)
    layers = adapted_layers(model)
    for name in names:
        for site, adapter in named_adapters(model, name).items():
            adapter.eval()
            beside = {start: one for start, (family, one) in _BESIDE.items() if isinstance(adapter, family)}
            for start, parameter in beside.items():
                change: Tensor = getattr(adapter, parameter)
                _add(found, start + site, adapter.strength * change.detach().flatten())
            if beside:
                continue
            if isinstance(adapter, ModuleAdapter):
                raise LoraError(
                    f"{site} has {adapter.family}, which is computed beside the layer and changes none of "
                    f"its tensors, so it can't be added, averaged or compressed: use the adapter as it is."
                )
            module, where = sites[site]
            layer = next(one for one in layers.values() if one is module)
            update: Update | None = adapter.low_rank()
            if update is None:
                update = adapter.update(where.view(layer.frozen_weight.dense(layer._exact)))
            _add(found, site, _detached(update))
    return found


def _detached(update: Update) -> Update:
    if isinstance(update, LowRank):
        return LowRank(update.A.detach().cpu(), update.B.detach().cpu(), float(update.scaling))
    return update.detach().cpu()


def _add(found: dict[str, Update], key: str, update: Update) -> None:
    found[key] = combine([{key: found[key]}, {key: update}], "add")[key] if key in found else update


@torch.no_grad()
def attach_updates(
    model: nn.Module, updates: Updates, rank: int | None = None, *, name: str = DEFAULT
) -> dict[str, Kept]:
    """Attach updates as `collect_updates` gives them, in place: low-rank ones as LoRA, whole ones as LoRA of
    the given rank, or without a rank as whole differences.

    Args:
        model: a plain network.
        updates: by name.
        rank: at most; None: nothing but rounding is lost.
        name: of the adapter; whole differences, biases and norms act beside it.

    Returns:
        What was kept of each weight's update.

    Raises:
        LoraError: there is no update.
    """
    factors: dict[str, tuple[Tensor, Tensor]] = {}
    whole: dict[str, dict[str, dict[str, Tensor]]] = {}  # by family, weight and parameter
    kept: dict[str, Kept] = {}
    for key, update in updates.items():
        start = next((one for one in _BESIDE if key.startswith(one)), "")
        if start and isinstance(update, Tensor):
            kind, parameter = _BESIDE[start]
            _put(whole, kind.family, key.removeprefix(start), parameter, update)
        elif isinstance(update, LowRank) or rank is not None:
            found = recompressed(update, rank) if isinstance(update, LowRank) else factored(update, rank)
            factors[key] = (found.A, found.B)
            kept[key] = Kept(len(found.A), found.energy, found.norm)
        else:
            _put(whole, "full", key, "difference", update)
            kept[key] = Kept(None, 1.0, float(update.norm()))
    names = []
    if factors:
        attach_factors(model, factors, name)
        names.append(name)
    for family, tensors in whole.items():
        names.append(family if names else name)
        _attach_differences(model, family, tensors, names[-1])
    if not names:
        raise LoraError("There is no update to attach: the adapters change nothing.")
    activate(model, *names)
    return kept


def _put(
    whole: dict[str, dict[str, dict[str, Tensor]]], family: str, site: str, parameter: str, update: Tensor
) -> None:
    whole.setdefault(family, {}).setdefault(site, {})[parameter] = update


def _attach_differences(
    model: nn.Module, family: str, tensors: Mapping[str, Mapping[str, Tensor]], name: str
) -> None:
    settings = {site: AdapterSettings(family, 1, 1.0) for site in tensors}
    attach_layers(model, settings, name=name, generator=torch.Generator())
    for site, adapter in named_adapters(model, name).items():
        for parameter, value in tensors[site].items():
            difference: Tensor = getattr(adapter, parameter)
            difference.copy_(value.reshape(difference.shape))
