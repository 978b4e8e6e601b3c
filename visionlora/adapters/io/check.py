"""Whether a saved adapter fits a network: every mismatch, in words."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from visionlora.adapters.config import LoraConfig
from visionlora.adapters.families import FAMILIES
from visionlora.adapters.io.other_programs import Places, adapter_obstacle
from visionlora.adapters.network import adapter_names, named_adapters, named_sites
from visionlora.adapters.norms import named_norms
from visionlora.adapters.sites import WeightSite, weight_obstacle
from visionlora.adapters.targets import closest
from visionlora.frozen.swap import plain_class
from visionlora.text import listed

Parts = Mapping[str, Mapping[str, Tensor]]


def adapter_mismatches(
    model: nn.Module, name: str, saved: Parts, settings: LoraConfig, *, ours: bool
) -> list[str]:
    """What keeps an adapter's tensors from being loaded, one clause a kind of mismatch; empty where they fit.

    Args:
        model: a plain or an adapted network.
        name: of the adapter in the network.
        saved: the adapter's tensors by the weight's full name.
        settings: ranks and alphas.
        ours: whether VisionLoRA saved it, and not PEFT.
    """
    sites = named_sites(model) | named_norms(model)
    found = list(_layer_mismatches(model, name, sites, saved, settings.families[0]))
    places = None if ours else Places(model)
    for site, parts in saved.items():
        if site in sites:
            found += _shape_mismatches(site, *sites[site], parts, settings, places)
    return found


def _layer_mismatches(
    model: nn.Module,
    name: str,
    sites: Mapping[str, tuple[nn.Module, WeightSite]],
    saved: Parts,
    family: str,
) -> Iterator[str]:
    modules = dict(model.named_modules(remove_duplicate=False))
    missing = [site for site in saved if site not in modules and site not in sites]
    if missing:
        near = _moved(missing, sites) or f"close names: {closest(missing[0], sites)}"
        yield f"the network has no layer {listed(missing, 5)} ({near})"
    for site in saved:
        if site in modules and site not in sites:
            yield f"{site} is a {plain_class(modules[site]).__name__}, which no adapter can be attached to"
    if name not in adapter_names(model):
        return
    attached = named_adapters(model, name)
    lacking = [site for site in attached if site not in saved]
    surplus = [site for site in saved if site in sites and site not in attached]
    if lacking:
        yield f"the adapter has nothing for the adapted layers {listed(lacking)}"
    if surplus:
        yield f"the layers {listed(surplus)} are not adapted in the network (detach it first)"
    for site, adapter in attached.items():
        if adapter.family != family:
            yield f"{site} has {adapter.family} in the network, {family} in the adapter (detach it first)"
            continue
        rank = type(adapter).rank_of(saved.get(site, {}))
        if rank is not None and rank != adapter.settings.rank:
            yield f"{site} has rank {adapter.settings.rank} in the network, {rank} in the adapter"


def _moved(missing: Sequence[str], sites: Collection[str]) -> str | None:
    """What to do where only the module differs whose layers are named: a Lightning module, say, was saved and
    the network inside of it is loaded, or the other way round. None where the names differ otherwise."""
    name = missing[0]
    for prefix in (name[: place + 1] for place, letter in enumerate(name) if letter == "."):
        if all(one.startswith(prefix) and one.removeprefix(prefix) in sites for one in missing):
            return f"a module that holds the network was saved: save only its {prefix[:-1]!r}"
    for prefix in (site.removesuffix(name) for site in sites if site.endswith(f".{name}")):
        if all(f"{prefix}{one}" in sites for one in missing):
            return f"the network inside was saved: load into {prefix[:-1]!r} of this module"
    return None


def _shape_mismatches(
    name: str,
    layer: Any,
    site: WeightSite,
    parts: Mapping[str, Tensor],
    settings: LoraConfig,
    places: Places | None,
) -> Iterator[str]:
    weight = layer._parameters.get(site.parameter)
    obstacle = weight_obstacle(weight)
    if weight is None or obstacle is not None:
        yield f"{name}: {obstacle}"
        return
    family, of_site = FAMILIES[settings.families[0]], settings.settings_of(name)
    shape = tuple(site.view(weight).shape)
    example = family(family.shape_on(layer, shape), of_site, torch.float32, torch.Generator())
    if places is not None:
        obstacle = places.obstacle(name, layer, "PEFT") or adapter_obstacle(example, layer)
        obstacle = obstacle or _padding_obstacle(layer, site, parts)
        if obstacle is not None:
            yield f"{name}: {obstacle} (merge it in PEFT)"
            return
    expected = example.peft_shapes()
    if parts.keys() != expected.keys():
        yield f"{name} has {listed(sorted(parts))} alone, {family.family} has {', '.join(expected)}"
        return
    for part, wanted in expected.items():
        if tuple(parts[part].shape) != wanted:
            given = tuple(parts[part].shape)
            yield f"{name}.{part} is {given}, the network and rank {of_site.rank} ask for {wanted}"


def _padding_obstacle(layer: nn.Module, site: WeightSite, parts: Mapping[str, Tensor]) -> str | None:
    """PEFT's A may change an embedding's padding; nothing here does."""
    A = parts.get("lora_A.weight")
    if not isinstance(layer, nn.Embedding) or site.fixed is None or A is None or A.ndim != 2:
        return None
    changed = site.fixed < A.shape[1] and bool(A[:, site.fixed].any())
    return "it changes the embedding's padding, which no adapter does here" if changed else None


def whole_mismatches(
    model: nn.Module, whole: Mapping[str, Tensor], saved: Sequence[str], lone: Collection[str]
) -> Iterator[str]:
    """What keeps tensors that are saved whole from being loaded, one clause a tensor.

    Args:
        model: a plain or an adapted network.
        whole: the tensors by their name in the network.
        saved: the ends of the names of modules that are saved whole.
        lone: those of ``whole`` that stand alone, without the rest of their module.
    """
    state = model.state_dict()
    for key, tensor in whole.items():
        module = key.rpartition(".")[0]
        parents = [module[:end] for end, letter in enumerate(module) if letter == "."] + [module]
        if not any(parent.endswith(name) for parent in parents for name in saved) and key not in lone:
            yield f"unknown tensor {listed([key])}"
        elif key not in state:
            yield f"the network has no tensor {listed([key])}"
        elif state[key].shape != tensor.shape:
            shapes = f"{tuple(tensor.shape)}, {tuple(state[key].shape)} in the network"
            yield f"{key} is {shapes} (give it the adapter's head first)"
