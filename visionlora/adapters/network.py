"""What adapters a network holds, by name."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from visionlora.adapters.base import Adapter
from visionlora.adapters.errors import LoraError
from visionlora.adapters.families.dylora import Dylora
from visionlora.adapters.layers import AdaptedLayer, adapters_in
from visionlora.adapters.sites import WeightSite, site_name, sites_of
from visionlora.frozen.freeze import unfreeze
from visionlora.frozen.growth import growths
from visionlora.frozen.swap import swap_back
from visionlora.text import brief

_Network = TypeVar("_Network", bound=nn.Module)


def unwrapped(model: nn.Module) -> nn.Module:
    """The network inside `torch.compile`, `DataParallel`, `DistributedDataParallel` or `AveragedModel`: its
    layers have the names that every other copy of it has.

    Raises:
        LoraError: it is TorchScript.
    """
    while True:
        require_python(model)
        if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel | AveragedModel):
            model = model.module
        elif isinstance(inner := model._modules.get("_orig_mod"), nn.Module):
            model = inner
        else:
            return model


def require_network(model: object) -> None:
    """Raises LoraError where what is given for a network is none."""
    if not isinstance(model, nn.Module):
        raise LoraError(f"model is {brief(model)}: give a network, an instance of torch.nn.Module.")


def require_python(model: nn.Module) -> None:
    """Check that a network is one, and no TorchScript, whose layers have no classes of their own.

    Raises:
        LoraError: it is not.
    """
    require_network(model)
    if isinstance(model, torch.jit.ScriptModule):
        raise LoraError(
            f"The {type(model).__name__} is TorchScript, which cannot be adapted: use the module that it was "
            "made from."
        )


def require_freezable(model: nn.Module) -> None:
    """Check that no part of a network is TorchScript with buffers: its statistics can't be kept from moving.

    Raises:
        LoraError: one is.
    """
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule) and any(True for _ in module.buffers()):
            raise LoraError(
                f"{name} is TorchScript with buffers, which may be statistics that can't be frozen: use the "
                "module that it was made from."
            )


def require_trainable(model: nn.Module) -> None:
    """Check that autograd takes a network's tensors.

    Raises:
        LoraError: one was made inside `torch.inference_mode`.
    """
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if tensor.is_inference():
            raise LoraError(
                f"{name} was made inside torch.inference_mode, so no gradient passes through its layer: make "
                "or load the network outside of it."
            )


def load_part(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Give a network some of its own tensors back, by their names; the others stay as they are.

    With the versions of its modules, without which some (MNASNet) refuse a state dict.
    """
    own: Any = OrderedDict(state)
    own._metadata = model.state_dict()._metadata  # type: ignore[attr-defined]
    model.load_state_dict(own, strict=False)


def adapted_layers(model: nn.Module) -> dict[str, AdaptedLayer]:
    """The adapted modules by name, in the model's order; empty where nothing is attached."""
    require_network(model)
    return {name: module for name, module in model.named_modules() if isinstance(module, AdaptedLayer)}


def named_sites(model: nn.Module) -> dict[str, tuple[nn.Module, WeightSite]]:
    """Every weight that can be adapted, by its full name, in the model's order; one that stands in two places
    counts once."""
    return {
        site_name(name, site): (module, site)
        for name, module in model.named_modules()
        for site in sites_of(module)
    }


def named_adapters(model: nn.Module, name: str | None = None) -> dict[str, Adapter]:
    """The adapters called `name` by the full name of their weight; None: the active ones, if every weight has
    at most one.

    Raises:
        LoraError: several adapters are active on one weight.
    """
    found: dict[str, Adapter] = {}
    for module, layer in adapted_layers(model).items():
        for called, part, adapter in adapters_in(layer):
            if called != name if name is not None else called not in layer.active:
                continue
            site = ".".join(one for one in (module, part) if one)
            if site in found:
                raise LoraError(f"{site} has several active adapters: give the name of one.")
            found[site] = adapter
    return found


def active_names(model: nn.Module) -> tuple[str, ...]:
    """The names of the adapters that take part, in the order of their attachment."""
    active = {name for layer in adapted_layers(model).values() for name in layer.active}
    return tuple(name for name in adapter_names(model) if name in active)


def adapter_names(model: nn.Module) -> tuple[str, ...]:
    """The names of the adapters that a network holds, in the order of their attachment."""
    names = dict.fromkeys(vars(model).get("attached", ()))
    names |= dict.fromkeys(name for layer in adapted_layers(model).values() for name in layer.adapters)
    return tuple(names)


def group_adapters(model: nn.Module, name: str, names: tuple[str, ...]) -> None:
    """Let these adapters, of which the first is called `name`, act together under its name."""
    vars(model).setdefault("adapter_groups", {})[name] = names


def with_parts(model: nn.Module, names: Sequence[str]) -> tuple[str, ...]:
    """These names, and those of the adapters that act together with them."""
    groups = vars(model).get("adapter_groups", {})
    return tuple(dict.fromkeys(part for name in names for part in groups.get(name, (name,))))


def active_adapters(model: nn.Module) -> list[Adapter]:
    """Every adapter that takes part.

    Raises:
        LoraError: the model has no adapters.
    """
    return [
        adapter
        for layer in require_adapters(model).values()
        for name, _, adapter in adapters_in(layer)
        if name in layer.active
    ]


def uses_dropout(model: nn.Module) -> bool:
    """Whether an adapter drops parts of its input in training."""
    adapters = (one for layer in adapted_layers(model).values() for one in adapters_in(layer))
    return any(adapter.uses_dropout and adapter.settings.dropout > 0 for _, _, adapter in adapters)


def adapter_parameters(model: nn.Module) -> Iterator[nn.Parameter]:
    """The parameters of the active adapters.

    Raises:
        LoraError: the model has no adapters. An optimizer of nothing, or a norm of no gradients, would say so
            late or not at all.
    """
    adapters = active_adapters(model)
    return (parameter for adapter in adapters for parameter in adapter.parameters())


def adapter_state(model: nn.Module) -> dict[str, Tensor]:
    """The parameters and buffers of every adapter by their names in `model.state_dict()`, detached, not
    copied."""
    return {
        ".".join(part for part in (name, "adapters", key) if part): tensor
        for name, layer in adapted_layers(model).items()
        for key, tensor in layer.adapters.state_dict().items()
    }


def adapter_regularizer(model: nn.Module) -> Tensor | None:
    """The sum of the active adapters' regularizers, a scalar to add to the loss; None where there is none."""
    terms = [term for one in active_adapters(model) if (term := one.regularizer()) is not None]
    return sum(terms[1:], terms[0]) if terms else None


def step_adapters(model: nn.Module, step: int, total: int) -> None:
    """Tell the active adapters that optimizer step `step` of `total` (from 1) was taken. Gradients must still
    be there: AdaLoRA's importance is made of them."""
    families: dict[type[Adapter], list[Adapter]] = {}
    for adapter in active_adapters(model):
        families.setdefault(type(adapter), []).append(adapter)
    for family, adapters in families.items():
        family.on_step_together(adapters, step, total)


def start_adapters(model: nn.Module, step: int, total: int) -> None:
    """Tell the active adapters that training starts, or continues after optimizer step `step` of `total`, and
    that their tensors are those of that step."""
    for adapter in active_adapters(model):
        adapter.on_start(step, total)


def cut_rank(model: _Network, rank: int) -> _Network:
    """Keep the first `rank` rows of A and columns of B of every active DyLoRA adapter that has more, in
    place: what is computed, merged and saved then is the network as it was trained at that rank.

    Optimizers that hold the parameters hold those from before.

    Raises:
        LoraError: an active adapter is of another family, or the rank is below 1.
    """
    if type(rank) is not int or rank < 1:
        raise LoraError(f"rank is {brief(rank)}: give a whole number of at least 1.")
    adapters = active_adapters(model)
    for adapter in adapters:
        if not isinstance(adapter, Dylora):
            raise LoraError(
                f"cut_rank is for dylora, which was trained at every rank, not for {adapter.family}."
            )
    for adapter in adapters:
        cast(Dylora, adapter).cut(min(rank, adapter.settings.rank))
    return model


def require_adapters(model: nn.Module) -> dict[str, AdaptedLayer]:
    """The adapted modules by name; none where adapters are attached to no layer (training of a head or of new
    blocks alone).

    Raises:
        LoraError: nothing is attached.
    """
    layers = adapted_layers(model)
    if not layers and not vars(model).get("attached") and not growths(model):
        raise LoraError(f"The {type(model).__name__} has no adapters: attach or load some first.")
    return layers


def remove_adapters(layer: AdaptedLayer) -> None:
    """Make an adapted layer the plain one that it was, in place."""
    for name in ("adapters", "active", "off", "merging", "merged_weight", "fold"):
        delattr(layer, name)
    vars(layer).pop("computed", None)  # of attention
    layer.release_parameter()
    swap_back(layer)


def finish_detaching(model: _Network, left: tuple[str, ...]) -> _Network:
    """Remember which adapters are left; without any, the frozen rest is as it was before `attach`."""
    vars(model)["attached"] = left
    groups = vars(model).pop("adapter_groups", {})
    kept = {name: parts for name, parts in groups.items() if set(parts) <= set(left)}
    if kept:
        vars(model)["adapter_groups"] = kept
    if not left:
        vars(model).pop("attached")
        unfreeze(model)
    return model
