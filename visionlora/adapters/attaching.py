"""Attaching adapters to a network, activating and detaching them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from visionlora.adapters.base import Adapter, AdapterSettings
from visionlora.adapters.config import LoraConfig
from visionlora.adapters.errors import LoraError
from visionlora.adapters.families import FAMILIES
from visionlora.adapters.families.lora import Lora
from visionlora.adapters.init import FROM_DATA, INITS
from visionlora.adapters.init.quantised import ABSORBING, start_at_correction
from visionlora.adapters.init.start import Start
from visionlora.adapters.kinds import kind_of
from visionlora.adapters.layers import AdaptedLayer
from visionlora.adapters.learned_start import is_learned
from visionlora.adapters.module_adapter import ModuleAdapter
from visionlora.adapters.network import (
    adapted_layers,
    adapter_names,
    finish_detaching,
    group_adapters,
    named_sites,
    remove_adapters,
    require_adapters,
    require_freezable,
    require_network,
    require_trainable,
    with_parts,
)
from visionlora.adapters.norms import named_norms
from visionlora.adapters.replaced_tensors import forget_replaced, replaced, set_replaced
from visionlora.adapters.restart import allow_restarts
from visionlora.adapters.settings import AUTO
from visionlora.adapters.several_families import part_name, settings_by_family
from visionlora.adapters.sites import WeightSite, weight_obstacle
from visionlora.adapters.targets import chosen_sites, instead_of, unmatched_patterns
from visionlora.frozen.folding import unfold_batch_norm
from visionlora.frozen.freeze import FrozenConv, FrozenEmbedding, freeze, freeze_modules
from visionlora.frozen.packed import PackedWeight
from visionlora.frozen.swap import plain_class, swap, swap_back
from visionlora.frozen.weight import frozen_weight
from visionlora.kernels.convolution import is_channels_last
from visionlora.kernels.tensors import LAST
from visionlora.text import brief

DEFAULT = "default"
_Network = TypeVar("_Network", bound=nn.Module)


def attach(
    model: _Network,
    config: LoraConfig | None = None,
    *,
    name: str = DEFAULT,
    generator: torch.Generator | None = None,
    trained_whole: Collection[str] = (),
) -> _Network:
    """Attach an adapter to every targeted layer, in place, and freeze everything else.

    The network still computes what it did: every family starts at an update of zero. Batch-norm layers stay
    in eval mode from now on, whatever `model.train()` says. The start depends on one number drawn from
    `generator` and on the layer's name, not on which others are adapted, nor on the device. A weight that two
    layers share gets an adapter for each.

    A network can hold several adapters under different names. The new one becomes the only active one;
    `activate` chooses others.

    Args:
        model: a network of convolutions, linear layers, embeddings and attention; may itself be such a layer.
        config: what to adapt and how strongly; by default all layers with LoRA of rank 8.
        name: of the adapter; of several families, that of the first, and the others have their family's
            (`part_name`).
        generator: makes the start reproducible; by default PyTorch's global one.
        trained_whole: names of layers that are trained as they are (a new head) and get no adapter; frozen
            here like the rest, so unfreeze them afterwards. The targets may select nothing but them.

    Returns:
        `model` itself.

    Raises:
        LoraError: a target matches nothing, a layer can't be adapted, or the name is taken.
    """
    require_network(model)
    if not isinstance(generator, torch.Generator | None):
        raise LoraError(f"generator is {brief(generator)}: give a torch.Generator, or none.")
    if not isinstance(config, LoraConfig | None):
        raise LoraError(
            f"config is {brief(config)}: give a LoraConfig of visionlora.adapters, as LoraConfig(rank=8)."
        )
    config = config or LoraConfig()
    if config.init in (AUTO, *FROM_DATA):
        raise LoraError(
            f"init={config.init} needs images, and there are none here: use init=default, and in a program "
            f"visionlora.adapters.collect.set_starts after it."
        )
    if is_learned(config.init):
        raise LoraError(
            f"init={config.init} is a learned start: attach with init=default, then use load_adapter."
        )
    sites = chosen_sites(model, config.targets, config.exclude, trained_whole)
    for key in ("rank_pattern", "alpha_pattern", "family_pattern"):
        for pattern in unmatched_patterns(getattr(config, key), sites):
            raise LoraError(f"{key} {pattern!r} matches no adapted layer; {instead_of(pattern, sites)}.")
    parts = settings_by_family(model, config, sites, trained_whole)
    first = next(iter(parts))
    names = {family: name if family == first else part_name(name, family) for family in parts}
    for family, settings in parts.items():
        _check(model, names[family], settings)
    require_trainable(model)
    for family, settings in parts.items():
        attach_layers(model, settings, name=names[family], generator=generator)
    if config.restart_every is not None:
        allow_restarts(model, name, config.restart_rank)
    if len(names) > 1:
        group_adapters(model, name, tuple(names.values()))
    return activate(model, *names.values())


@torch.inference_mode(False)
def attach_layers(
    model: _Network,
    settings: Mapping[str, AdapterSettings],
    *,
    name: str = DEFAULT,
    generator: torch.Generator | None = None,
) -> _Network:
    """`attach` for weights that are chosen already: everything is checked before anything is changed.

    Args:
        model: plain or adapted.
        settings: by the full names of weights (`targets.named_sites`).
        name, generator: as `attach` has them.
    """
    chosen = _check(model, name, settings)
    seed = _draw_seed(generator)
    trainable = [p for layer in adapted_layers(model).values() for p in layer.adapters.parameters()]
    trainable = [parameter for parameter in trainable if parameter.requires_grad]
    unfold_batch_norm(model)
    freeze(model, {module for module, _ in chosen.values()})
    for parameter in trainable:
        parameter.requires_grad_(True)
    for site, (module, where) in chosen.items():
        _put_on(module, where, name, settings[site], _layer_generator(seed, site))
    vars(model).setdefault("attached", ())
    vars(model)["attached"] += (name,)
    activate(model, name)
    return model


def activate(model: _Network, *names: str) -> _Network:
    """Make these adapters the ones that take part, in place; their updates add up. Without names: none. Those
    of several families that were attached or loaded as one go by the name of the first.

    Raises:
        LoraError: there is no adapter of such a name.
    """
    for name in names:
        if not isinstance(name, str):
            raise LoraError(f"adapter name {brief(name)}: give names, one by one.")
    known, names = adapter_names(model), with_parts(model, names)
    for name in names:
        if name not in known:
            raise LoraError(f"There is no adapter {name!r}; there are {', '.join(known) or 'none'}.")
    for layer in adapted_layers(model).values():
        layer.active = tuple(name for name in names if name in layer.adapters)
    return model


def detach(model: _Network, *names: str) -> _Network:
    """Remove adapters, in place: these, or without names all. Where none is left on a layer it is a plain one
    with the tensors that it had, bit for bit.

    Where no adapter is left at all, batch norm and activations are as they were before `attach`; parameters
    stay frozen (`model.requires_grad_(True)` undoes that).

    Raises:
        LoraError: the model has no adapters, or none of such a name.
    """
    layers, known = require_adapters(model), adapter_names(model)
    for name in names:
        if name not in known:
            raise LoraError(f"There is no adapter {name!r}; there are {', '.join(known)}.")
    gone = set(with_parts(model, names) or known)
    unfold_batch_norm(model)
    for layer in layers.values():
        for name in gone & set(layer.adapters):
            del layer.adapters[name]
        layer.active = tuple(name for name in layer.active if name not in gone)
        if not len(layer.adapters):
            remove_adapters(layer)
    left = tuple(name for name in known if name not in gone)
    if left:
        freeze_modules(model, set(adapted_layers(model).values()))
    else:
        set_replaced(model, {key: frozen for key, (frozen, _) in replaced(model).items()})
        forget_replaced(model)
    return finish_detaching(model, left)


def _check(
    model: nn.Module, name: str, settings: Mapping[str, AdapterSettings]
) -> dict[str, tuple[nn.Module, WeightSite]]:
    """The weights to adapt, by their full names, if all of them can be."""
    if not isinstance(name, str) or not name or "." in name:
        raise LoraError(f"adapter name {brief(name)}: give a name without dots.")
    if name in adapter_names(model):
        raise LoraError(
            f"The model has an adapter {name!r} already: detach or merge it before attaching a new one, "
            f"or give the new one another name."
        )
    for key, tensor in (*model.named_parameters(), *model.named_buffers()):
        if is_lazy(tensor):
            raise LoraError(f"{key.rpartition('.')[0]}: {weight_obstacle(tensor)}.")
    require_freezable(model)
    sites = named_sites(model) | named_norms(model)
    chosen = {site: sites[site] for site in settings}
    for site, (module, where) in chosen.items():
        _check_adaptable(site, module, where, FAMILIES[settings[site].family])
    return chosen


def _check_adaptable(name: str, module: nn.Module, site: WeightSite, family: type[Adapter]) -> None:
    if issubclass(family, ModuleAdapter) and not family.can_attach_to(module):
        kinds, lacks = ", ".join(kind.__name__ for kind in family.layers), ""
        if isinstance(module, family.layers):
            lacks = " without a bias" if module.bias is None else " with a forward pass of its own"
        raise LoraError(
            f"{name}: {family.family} is for {kinds} and not for a {plain_class(module).__name__}{lacks}: "
            f"choose other targets."
        )
    weight = module._parameters.get(site.parameter)
    if weight is None:
        raise LoraError(f"{name}: {weight_obstacle(weight)}, or exclude the layer.")
    if not weight.numel():
        raise LoraError(f"{name}: its weight has no element, so nothing can be adapted: exclude the layer.")
    if not weight.is_floating_point() or weight.dtype.itemsize == 1:
        raise LoraError(
            f"{name}: a {type(module).__name__} of {weight.dtype} can't be adapted: exclude the layer."
        )


def _draw_seed(generator: torch.Generator | None) -> int:
    device = generator.device if generator is not None else "cpu"
    return int(torch.randint(2**62, (), generator=generator, device=device))


def _layer_generator(seed: int, name: str) -> torch.Generator:
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def _put_on(
    module: Any, site: WeightSite, name: str, settings: AdapterSettings, generator: torch.Generator
) -> None:
    weight = module._parameters[site.parameter]
    shape = site.view(weight).shape
    dtype = torch.promote_types(weight.dtype, torch.float32)
    family = FAMILIES[settings.family]
    adapter = family(family.shape_on(module, shape), settings, dtype, generator)
    starts = settings.init != "default"
    if (starts or type(adapter).start is not Adapter.start) and not weight.is_meta:
        base = site.view(frozen_weight(module, site.parameter).dense(dtype)).detach().cpu()
        if starts:
            assert isinstance(adapter, Lora)
            adapter.set_start(*_start(base, weight, settings, generator))
        adapter.start(base)
    if is_channels_last(weight):  # as the gradients that will be added to it
        for parameter in adapter.parameters():
            if parameter.ndim == weight.ndim:
                parameter.data = parameter.data.contiguous(memory_format=LAST[parameter.ndim])
    adapter.to(weight.device).train(module.training)
    if isinstance(module, FrozenConv | FrozenEmbedding):  # frozen by an adapter that leaves it out
        swap_back(module)
    if not isinstance(module, AdaptedLayer):
        swap(module, kind_of(module))
        module.adapters, module.active, module.off, module.fold = nn.ModuleDict(), (), 0, None
        module.merging = 0
        module.keep_parameter()
        module.register_buffer("merged_weight", None, persistent=False)
    if not site.part:
        module.adapters[name] = adapter
        return
    if name not in module.adapters:
        module.adapters[name] = nn.ModuleDict()
    module.adapters[name][site.part] = adapter


def _start(base: Tensor, weight: Tensor, settings: AdapterSettings, generator: torch.Generator) -> Start:
    """The start that the settings name; of a quantised weight with a correction the correction."""
    if settings.init in ABSORBING and isinstance(weight, PackedWeight) and "added_A" in weight.parts:
        return start_at_correction(base, weight, settings, generator)
    return INITS[settings.init](base, settings, generator)
