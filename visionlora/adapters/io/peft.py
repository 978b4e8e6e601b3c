"""The adapter directory: PEFT's format, `adapter_config.json` and `adapter_model.safetensors`.

`peft.PeftModel.from_pretrained` reads it on the same plain network, and adapters that PEFT saved load here.
PEFT has no place for keys of others at the top of its file (it warns about them, old versions refuse them),
but it keeps a free mapping, `auto_mapping`: our own keys live in `auto_mapping.visionlora`.

Where PEFT computes something else:

- A grouped convolution's adapter has other shapes in PEFT, where A sees all groups: PEFT's is read as what it
  computes (`peft_parts`); PEFT refuses ours, and `save_peft` writes the merged weight instead.
- PEFT ignores a convolution's dilation and padding mode (LoRA, DoRA); of the other families the padding
  mode (LoHa, LoKr, BOFT, AdaLoRA), scales the bias too (IA3 of the outputs, read as a change of it), turns
  patches of the input instead of the kernel (OFT) and has no strength (DoRA, OFT, BOFT): a family says so
  with `peft_obstacle`.
- PEFT ignores, without a word, an adapter on a layer that the network reads and never calls (attention of
  torchvision's ViT and Swin), all places but one of a layer that stands in several, and the forward pass that
  a layer has of its own (`other_programs`).

A file that PEFT would compute something else with has a `peft_type` that it refuses, and
`visionlora.not_for_peft` says why; PEFT's own files for such layers are refused here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from visionlora.adapters.attaching import attach_layers
from visionlora.adapters.base import AdapterSettings
from visionlora.adapters.errors import LoraError
from visionlora.adapters.families import FAMILIES
from visionlora.adapters.io.check import adapter_mismatches, whole_mismatches
from visionlora.adapters.io.config_file import CONFIG_FILE
from visionlora.adapters.io.fingerprint import fingerprint as base_fingerprint
from visionlora.adapters.io.foreign import ForeignAdapter, ForeignPart, attach_part, check_shapes
from visionlora.adapters.io.peft_config import (
    AdapterInfo,
    config_to_peft,
    lora_config,
    read_adapter_config,
    strengths,
)
from visionlora.adapters.io.peft_parts import split_off
from visionlora.adapters.io.tensor_file import (
    PREFIX,
    TENSOR_FILE,
    peft_tensors,
    read_tensors,
    sort_tensors,
    write,
)
from visionlora.adapters.network import (
    adapted_layers,
    adapter_names,
    named_adapters,
    named_sites,
)
from visionlora.adapters.norms import named_norms
from visionlora.adapters.patterns import by_pattern
from visionlora.adapters.replaced_tensors import replace_tensors
from visionlora.adapters.several_families import part_name
from visionlora.frozen.growth import growths

_CLAUSES = 20
"""Mismatches that an error names: a hostile file may have a million."""


def save_one(model: nn.Module, directory: Path, name: str | None, info: AdapterInfo) -> Path:
    """Write one adapter of a network, each file beside its place and then renamed into it.

    Args:
        model: an adapted network.
        directory: made where it is missing.
        name: of the adapter; None: the active one.
        info: its own keys have the fingerprint of the network without the modules that are saved whole.

    Raises:
        LoraError: no adapters, a module that does not exist or is adapted too, or keys that are not JSON.
    """
    adapters, sites = named_adapters(model, name), named_sites(model) | named_norms(model)
    if not adapters and not info.modules_to_save:
        what = repr(name) if name else "that is active"
        raise LoraError(f"The {type(model).__name__} has no adapter {what}: nothing to save.")
    tensors = {
        f"{PREFIX}{_key(site, part)}": tensor
        for site, adapter in adapters.items()
        for part, tensor in peft_tensors(adapter, sites[site][0]).items()
    }
    for module in info.modules_to_save:
        tensors |= _module_tensors(model, module, adapted_layers(model))
    state = model.state_dict()
    tensors |= {f"{PREFIX}{key}": state[key] for key in info.own.get("tensors", ())}
    if growths(model):
        info = replace(info, obstacle="the network has new blocks")
    if info.own.get("tensors"):
        info = replace(info, obstacle="it replaces tensors that are no module's of their own")
    config = config_to_peft(model, adapters, {site: sites[site][0] for site in adapters}, info)
    return write(directory, tensors, config)


def _called(part: ForeignPart, name: str, first: str | None, kinds: dict[Any, str]) -> str:
    """The name of the adapter that a part belongs to: one for each family and each set of its options.

    Args:
        part: of what was read.
        name: of the first adapter.
        first: its family, where it consists of parts alone.
        kinds: the names so far, by family and options.
    """
    family = part.settings.family
    kind = (family, *sorted(part.settings.options.items()))
    if kind not in kinds:
        called = name if family == first and name not in kinds.values() else part_name(name, family)
        while called in kinds.values():
            called += "_"
        kinds[kind] = called
    return kinds[kind]


class Saved(NamedTuple):
    """An adapter that was read and fits the network.

    Attributes:
        name: it will have in the network.
        settings: by the full name of the weight.
        tensors: by the full name of the weight.
        others: tensors of modules that were saved whole.
        config: as `read_adapter_config` gives it.
        beside: adapters that act with it, by name and the full name of the weight.
    """

    name: str
    settings: dict[str, AdapterSettings]
    tensors: Mapping[str, Mapping[str, Tensor]]
    others: Mapping[str, Tensor]
    config: Mapping[str, Any]
    beside: Mapping[str, Mapping[str, ForeignPart]] = {}


def read_one(model: nn.Module, directory: Path, name: str, check_fingerprint: bool) -> Saved:
    """Read an adapter directory, and check that it fits the network, which is not changed.

    Raises:
        LoraError: a file is missing or broken, or the adapter does not fit; every mismatch is named.
    """
    config = read_adapter_config(directory)
    settings = lora_config(config, directory / CONFIG_FILE)
    family = settings.families[0]
    tensors, others = sort_tensors(read_tensors(directory), directory / TENSOR_FILE, family)
    read = ForeignAdapter()
    if not config["visionlora"].get("fingerprint"):  # PEFT's own
        read = split_off(model, tensors, others, settings, config, directory / TENSOR_FILE)
        others |= read.whole
    lone = {*read.whole, *(config["visionlora"].get("tensors") or ())}
    wrong = [] if tensors or others or read.parts else ["it holds no adapter's tensors"]
    wrong += adapter_mismatches(model, name, tensors, settings, ours=bool(config["visionlora"]))
    wrong += whole_mismatches(model, others, config["modules_to_save"], lone)
    expected = config["visionlora"].get("fingerprint")
    check_base = check_fingerprint and expected and not wrong
    if check_base and base_fingerprint(model, config["modules_to_save"]) != expected:
        wrong = ["its base tensors were others (in Python check_fingerprint=False loads it anyway)"]
    if wrong:
        base = config.get("base_model_name_or_path")
        raise LoraError(
            f"{directory} does not fit this {type(model).__name__}: {'; '.join(wrong[:_CLAUSES])}. "
            f"Load the network that it was trained on{f' (base model: {base})' if base else ''}."
        )
    ranks = {site: FAMILIES[family].rank_of(parts) for site, parts in tensors.items()}
    chosen = {
        site: replace(of_site, rank=of_site.rank if rank is None else rank)
        for site, rank in ranks.items()
        for of_site in [settings.settings_of(site)]
    }
    sites = named_sites(model)
    beside: dict[str, dict[str, ForeignPart]] = {}
    kinds: dict[Any, str] = {}
    for site, parts in read.parts.items():
        for part in parts:
            check_shapes(site, *sites[site], part, directory)
            beside.setdefault(_called(part, name, family if not tensors else None, kinds), {})[site] = part
    return Saved(name, chosen, tensors, others, config, beside)


@torch.inference_mode(False)  # what it makes may be trained later
def put_into(model: nn.Module, saved: Saved) -> tuple[str, ...]:
    """Give a network an adapter that fits it: a new one, or the values of one that it has.

    Returns:
        The names of the adapters that it consists of.
    """
    if saved.name not in adapter_names(model) and saved.name not in saved.beside:
        attach_layers(model, saved.settings, name=saved.name, generator=torch.Generator())
    for site, adapter in named_adapters(model, saved.name).items() if saved.settings else ():
        adapter.settings = saved.settings[site]
        adapter.strength = by_pattern(strengths(saved.config), site, 1.0)
        adapter.from_peft(saved.tensors[site])
    for name, parts in saved.beside.items():
        attach_part(model, name, parts)
    replace_tensors(model, saved.others)
    return tuple(dict.fromkeys((saved.name, *saved.beside)))


def _key(name: str, part: str) -> str:
    return f"{name}.{part}" if name else part


def _module_tensors(model: nn.Module, name: str, layers: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    modules = dict(model.named_modules())
    if name not in modules:
        raise LoraError(f"modules_to_save: there is no module {name!r} in the {type(model).__name__}.")
    if any(layer == name or layer.startswith(f"{name}.") for layer in layers):
        raise LoraError(f"modules_to_save: {name} is adapted too: exclude it from the targets.")
    return {f"{PREFIX}{name}.{key}": tensor for key, tensor in modules[name].state_dict().items()}
