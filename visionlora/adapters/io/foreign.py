"""Adapters that other libraries saved, in one form: for each weight the families, settings and tensors that
it gets here, and what replaces whole tensors of the network."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from visionlora.adapters.attaching import DEFAULT, activate, attach_layers
from visionlora.adapters.base import AdapterSettings
from visionlora.adapters.errors import LoraError
from visionlora.adapters.families import FAMILIES
from visionlora.adapters.io.tensor_file import checked_tensors, read_safetensors
from visionlora.adapters.network import adapter_names, group_adapters, named_adapters, named_sites
from visionlora.adapters.replaced_tensors import replace_tensors
from visionlora.adapters.several_families import part_name
from visionlora.adapters.sites import WeightSite, plain_weight
from visionlora.frozen.weight import frozen_weight
from visionlora.text import brief

_Network = TypeVar("_Network", bound=nn.Module)
SUFFIXES = (".safetensors", ".pt", ".pth")


class ForeignPart(NamedTuple):
    """One adapter of one weight.

    Attributes:
        settings: family, rank, alpha, options.
        tensors: by the names that `Adapter.from_peft` takes.
    """

    settings: AdapterSettings
    tensors: Mapping[str, Tensor]


@dataclass
class ForeignAdapter:
    """What a file holds.

    Attributes:
        parts: by the full name of the weight.
        whole: tensors of the network (norms) that it replaces, by their names in the state dict.
    """

    parts: dict[str, list[ForeignPart]] = field(default_factory=dict)
    whole: dict[str, Tensor] = field(default_factory=dict)

    def add(self, site: str, settings: AdapterSettings, tensors: Mapping[str, Tensor]) -> None:
        """One more adapter of a weight."""
        self.parts.setdefault(site, []).append(ForeignPart(settings, tensors))

    def add_bias(self, site: str, difference: Tensor, shape: tuple[int, ...]) -> None:
        """A change (out,) of the bias of the layer whose weight has this shape."""
        difference = difference.reshape(-1, *(1,) * (len(shape) - 2))
        self.add(site, AdapterSettings("bias", 1, 1.0), {"difference": difference})


def read_file(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, checked; nothing that is pickled is run (`weights_only`).

    Raises:
        LoraError: no such file, another suffix, damaged, or values that are not finite numbers.
    """
    if not path.is_file():
        raise LoraError(f"{path} does not exist: give a file of an adapter.")
    if path.suffix.lower() not in SUFFIXES:
        raise LoraError(f"{path} ends in none of {', '.join(SUFFIXES)}: save the adapter as one of these.")
    if path.suffix.lower() == ".safetensors":
        return checked_tensors(read_safetensors(path), path)
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise LoraError(
            f"{path} is damaged, or holds more than tensors, which could run code: save a state dict."
        ) from error
    except Exception as error:
        raise LoraError(f"{path} is damaged ({brief(str(error))}): copy or save it again.") from error
    if not isinstance(content, Mapping) or not all(isinstance(one, Tensor) for one in content.values()):
        raise LoraError(f"{path} holds no state dict: save a mapping of names to tensors.")
    return checked_tensors({str(key): tensor.detach() for key, tensor in content.items()}, path)


def dense_view(module: nn.Module, site: WeightSite) -> Tensor:
    """The frozen weight as (out, in/groups, kernel...), in at least single precision."""
    plain_weight(type(module).__name__, module, site)
    weight = frozen_weight(module, site.parameter)
    return site.view(weight.dense(torch.promote_types(weight.dtype, torch.float32))).detach()


def attach_foreign(model: _Network, read: ForeignAdapter, source: Path, name: str = DEFAULT) -> _Network:
    """Attach what was read, in place; its parts become the only active adapters. Nothing is changed unless
    all of it fits.

    Several families, or several sets of options, become adapters of their own that act together.

    Args:
        model: plain or adapted; without an adapter of that name.
        read: the adapter.
        source: of the file, for messages.
        name: of the adapter; further parts have their family's (`part_name`).

    Raises:
        LoraError: there is nothing to attach, or a tensor has another shape than its weight asks for.
    """
    if not read.parts and not read.whole:
        raise LoraError(
            f"{source} changes no layer of this {type(model).__name__}: all its changes are zero."
        )
    sites = named_sites(model)
    kinds: dict[Any, dict[str, ForeignPart]] = {}
    for site, parts in read.parts.items():
        for part in parts:
            check_shapes(site, *sites[site], part, source)
            options = tuple(sorted(part.settings.options.items()))
            kinds.setdefault((part.settings.family, options, part.settings.rslora), {})[site] = part
    names: list[str] = []
    order = Counter({kind: len(found) for kind, found in kinds.items()}).most_common()
    for kind, _ in order:
        called = name if not names else part_name(name, kind[0])
        while called in names:
            called += "_"
        names.append(called)
        attach_part(model, called, kinds[kind])
    replace_tensors(model, read.whole)
    if not names:
        vars(model).setdefault("attached", ())
        vars(model)["attached"] += (name,)
        names.append(name)
    if len(names) > 1:
        group_adapters(model, name, tuple(names))
    return activate(model, *names)


def attach_part(model: nn.Module, name: str, parts: Mapping[str, ForeignPart]) -> None:
    """Attach an adapter with its values, in place; it becomes the only active one.

    Raises:
        LoraError: there is one of that name.
    """
    if name in adapter_names(model):
        raise LoraError(f"the network has an adapter {name!r} already: give this one another name.")
    settings = {site: part.settings for site, part in parts.items()}
    attach_layers(model, settings, name=name, generator=torch.Generator())
    for site, adapter in named_adapters(model, name).items():
        adapter.from_peft(parts[site].tensors)


def check_shapes(site: str, module: Any, where: WeightSite, part: ForeignPart, source: Path) -> None:
    """Raises LoraError where a tensor has another shape than its weight asks for."""
    family, tensors = FAMILIES[part.settings.family], part.tensors
    shape = tuple(where.view(plain_weight(site, module, where)).shape)
    expected = family(
        family.shape_on(module, shape), part.settings, torch.float32, torch.Generator()
    ).peft_shapes()
    found = {key: tuple(tensor.shape) for key, tensor in tensors.items()}
    if found != expected:
        raise LoraError(
            f"{source}: {site} has {family.family} tensors {found}; its weight {shape} asks for {expected}."
        )
