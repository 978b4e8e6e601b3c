"""Whether an adapter fits a network: every mismatch, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from visionlora.adapters.attach import adapted_layers
from visionlora.adapters.config import LoraConfig
from visionlora.adapters.layers import can_adapt
from visionlora.adapters.targets import closest, weight_layers


def mismatches(
    model: nn.Module,
    pairs: Mapping[str, Mapping[str, Tensor]],
    others: Mapping[str, Tensor],
    settings: LoraConfig,
    config: Mapping[str, Any],
) -> list[str]:
    """What keeps an adapter from being loaded, one clause a kind of mismatch; empty where it fits.

    Args:
        model: a plain or an adapted network.
        pairs: `lora_A` and `lora_B` by layer name.
        others: tensors of modules that were saved whole, by their name in the network.
        settings: ranks and alphas.
        config: the adapter's whole configuration.
    """
    modules = dict(model.named_modules(remove_duplicate=False))
    found = list(_layer_mismatches(model, modules, pairs))
    ours = bool(config["visionlora"])
    for name, parts in pairs.items():
        layer = modules.get(name)
        if layer is None or not can_adapt(layer) or parts.keys() != {"lora_A", "lora_B"}:
            continue
        found += _shape_mismatches(name, layer, parts, settings.rank_of(name), ours)
    found += _other_mismatches(model, others, config["modules_to_save"])
    return found


def _layer_mismatches(
    model: nn.Module, modules: Mapping[str, nn.Module], pairs: Mapping[str, Mapping[str, Tensor]]
) -> Iterator[str]:
    if not pairs:
        yield "it holds no lora_A and lora_B"
    missing = [name for name in pairs if name not in modules]
    if missing:
        close = closest(missing[0], weight_layers(model))
        yield f"the network has no layer {', '.join(missing)} (close names: {close})"
    for name, parts in pairs.items():
        if name in modules and not can_adapt(modules[name]):
            yield f"{name} is a {type(modules[name]).__name__}, not a convolution or linear layer"
        if len(parts) == 1:
            yield f"{name} has {next(iter(parts))} alone"
    attached = adapted_layers(model)
    if attached and attached.keys() != pairs.keys():
        lacking = [name for name in attached if name not in pairs]
        surplus = [name for name in pairs if name in modules and name not in attached]
        if lacking:
            yield f"the adapter has nothing for the adapted layers {', '.join(lacking)}"
        if surplus:
            yield f"the layers {', '.join(surplus)} are not adapted in the network (detach it first)"
    for name, layer in attached.items():
        A = pairs.get(name, {}).get("lora_A")
        if A is not None and A.shape[0] != layer.lora_rank:
            yield f"{name} has rank {layer.lora_rank} in the network, {A.shape[0]} in the adapter"


def _shape_mismatches(
    name: str, layer: nn.Module, parts: Mapping[str, Tensor], rank: int, ours: bool
) -> Iterator[str]:
    weight = layer._parameters["weight"]
    if weight is None:
        yield f"{name}'s weight is re-parametrised (remove the parametrisation first)"
        return
    if not isinstance(layer, nn.Linear) and not ours:
        groups, dilation, padding_mode = (
            getattr(layer, key) for key in ("groups", "dilation", "padding_mode")
        )
        if groups > 1:
            yield f"{name} has {groups} groups, which mix in PEFT's adapter, so that it can't be merged"
            return
        if padding_mode != "zeros" or (any(step > 1 for step in dilation) and weight[0, 0].numel() > 1):
            yield f"{name} has dilation {dilation} and padding {padding_mode}, which PEFT's adapter ignores"
            return
    expected = {
        "lora_A": (rank, *weight.shape[1:]),
        "lora_B": (weight.shape[0], rank, *(1,) * (weight.ndim - 2)),
    }
    for part, shape in expected.items():
        if tuple(parts[part].shape) != shape:
            yield f"{name}.{part} is {tuple(parts[part].shape)}, the network and rank {rank} ask for {shape}"


def _other_mismatches(model: nn.Module, others: Mapping[str, Tensor], saved: list[str]) -> Iterator[str]:
    state = model.state_dict()
    for key, tensor in others.items():
        module = key.rpartition(".")[0]
        parents = [module[:end] for end, letter in enumerate(module) if letter == "."] + [module]
        if not any(parent.endswith(name) for parent in parents for name in saved):
            yield f"unknown tensor {key}"
        elif key not in state:
            yield f"the network has no tensor {key}"
        elif state[key].shape != tensor.shape:
            shapes = f"{tuple(tensor.shape)}, {tuple(state[key].shape)} in the network"
            yield f"{key} is {shapes} (give it the adapter's head first)"
