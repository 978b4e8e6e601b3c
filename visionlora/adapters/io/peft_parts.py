"""What a file of PEFT holds beside the adapters of its family: biases, LoRA and DoRA of grouped convolutions,
and IA3 of layers with a bias, which PEFT scales with the outputs, or of inputs beside others of outputs.

PEFT trains biases themselves (`bias="all"`, `"lora_only"`); here a change of a bias is an adapter of its own.
On a grouped convolution PEFT's A (r, in, kernel...) sees all groups and B (out, r / groups, 1...) is grouped.
Where each group's rows of A are zero outside its own channels, that is a change of the grouped weight
(`lora`); otherwise it is computed beside the layer (`cross_group`). PEFT's DoRA there divides by the norm of
another product of A and B than the one that it computes with; what it gives is the layer and the update, both
with a scale of each output, and so it is read as IA3 and such an update.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from visionlora.adapters.base import AdapterSettings, scaling_of
from visionlora.adapters.config import LoraConfig
from visionlora.adapters.errors import LoraError
from visionlora.adapters.families.bias import Bias
from visionlora.adapters.io.foreign import ForeignAdapter, dense_view
from visionlora.adapters.io.other_programs import Places
from visionlora.adapters.patterns import check_patterns
from visionlora.adapters.sites import sites_of

_BASE = "base_layer"
_COPIES = (".modules_to_save", ".original_module")


def split_off(
    model: nn.Module,
    tensors: dict[str, dict[str, Tensor]],
    others: dict[str, Tensor],
    settings: LoraConfig,
    config: Mapping[str, Any],
    path: Path,
) -> ForeignAdapter:
    """Take biases, grouped convolutions, scaled biases and inputs out of what a PEFT file holds.

    Args:
        model: plain or adapted.
        tensors: the adapter's by the weight's full name; what is taken is removed.
        others: the other tensors; biases are removed.
        settings: ranks and alphas.
        config: the adapter's configuration.
        path: of the file, for messages.

    Returns:
        The parts; in `whole` the biases of norms.
    """
    read = ForeignAdapter()
    modules = dict(model.named_modules())
    if config.get("bias", "none") != "none":
        _split_biases(read, model, modules, others, config["modules_to_save"], path)
    places = Places(model)
    is_ia3 = settings.families[0] == "ia3" and not config["visionlora"]  # ours scales the weight alone
    for site in list(tensors):
        layer: Any = modules.get(site)
        if layer is None or places.obstacle(site, layer, "PEFT") is not None:  # named as a mismatch
            continue
        of_site = settings.settings_of(site)
        is_grouped = isinstance(layer, _ConvNd) and layer.groups > 1 and not layer.transposed
        if of_site.family in ("lora", "dora") and is_grouped:
            _split_grouped(read, site, layer, of_site, tensors.pop(site), f"{path}: {site}")
        elif is_ia3:
            _split_scale(read, site, layer, of_site, tensors, _feeds_forward(config, site))
    return read


def _feeds_forward(config: Mapping[str, Any], site: str) -> bool:
    """Whether PEFT's IA3 scales the inputs of a layer, by its rule: an expression for the whole name, or a
    list of names' ends.

    Raises:
        LoraError: matching the expression could take long.
    """
    inner = config.get("feedforward_modules") or ()
    if not isinstance(inner, str):
        return any(site.endswith(str(end)) for end in inner)
    check_patterns("feedforward_modules", [inner])
    return re.fullmatch(inner, site) is not None


def _split_scale(
    read: ForeignAdapter,
    site: str,
    layer: Any,
    settings: AdapterSettings,
    tensors: dict[str, dict[str, Tensor]],
    inputs: bool,
) -> None:
    """Scales of inputs beside those of outputs, or of the inputs of all groups, which are a change of the
    whole weight here; l (W x + b) is IA3's l W x and a change of the bias by (l - 1) b."""
    scale, groups = tensors[site].get("ia3_l"), getattr(layer, "groups", 1)
    size = getattr(layer, "in_channels", 0) if inputs else len(layer.weight)
    settings = replace(settings, options={"side": "input" if inputs else "output"})
    if scale is not None and inputs and groups > 1 and scale.numel() == size:
        del tensors[site]
        base = dense_view(layer, sites_of(layer)[0])
        of_group = scale.to(base).view(groups, 1, -1, *scale.shape[2:])
        difference = (base.unflatten(0, (groups, -1)) * (of_group - 1)).flatten(0, 1)
        read.add(site, AdapterSettings("full", 1, 1.0), {"difference": difference})
    elif inputs:
        read.add(site, settings, tensors.pop(site))
    elif scale is not None and scale.numel() == size and Bias.can_attach_to(layer):
        read.add(site, settings, tensors.pop(site))
        bias = layer._parameters["bias"]
        difference = (scale.flatten().to(bias) - 1) * bias.detach()
        read.add_bias(site, difference, tuple(layer.weight.shape))


def _split_biases(
    read: ForeignAdapter,
    model: nn.Module,
    modules: Mapping[str, Any],
    others: dict[str, Tensor],
    saved: list[str],
    path: Path,
) -> None:
    state = model.state_dict()
    for key in [key for key in others if key == "bias" or key.endswith(".bias")]:
        name = key.removesuffix("bias").rstrip(".")
        if name.endswith(_COPIES):  # of a module that is saved whole, which the file has under its own name
            del others[key]
            continue
        module = name.removesuffix(_BASE).rstrip(".")
        own = f"{module}.bias" if module else "bias"
        if any(module.endswith(one) for one in saved) or own not in state:
            continue
        bias = others.pop(key)
        if bias.shape != state[own].shape:
            raise LoraError(
                f"{path}: {key} is {tuple(bias.shape)}, {tuple(state[own].shape)} in the network."
            )
        difference = bias.to(state[own]) - state[own]
        if not bool(difference.any()):
            continue
        if Bias.can_attach_to(modules[module]):
            read.add_bias(module, difference, tuple(modules[module].weight.shape))
        else:
            read.whole[own] = bias


def _split_grouped(
    read: ForeignAdapter,
    site: str,
    layer: Any,
    settings: AdapterSettings,
    parts: Mapping[str, Tensor],
    where: str,
) -> None:
    """LoRA of a grouped convolution; DoRA as a scale of the outputs and an update with that scale."""
    kind, found = _grouped(layer, parts, settings, where)
    if settings.family == "dora":
        scale = _dora_scale(layer, parts, settings, where)
        key = "lora_B" if kind.family == "cross_group" else "lora_B.weight"
        found = {**found, key: found[key] * scale.view(-1, *(1,) * (found[key].ndim - 1)).to(found[key])}
        shape = (1, -1, *(1,) * (layer.weight.ndim - 2))
        read.add(site, AdapterSettings("ia3", options={"side": "output"}), {"ia3_l": scale.view(shape)})
    read.add(site, kind, found)


def _dora_scale(layer: Any, parts: Mapping[str, Tensor], settings: AdapterSettings, where: str) -> Tensor:
    """What PEFT's DoRA multiplies each output with, (out,): the magnitude over the norm of the weight and of
    A and B, multiplied as if they were of a convolution without groups."""
    A, B, magnitude = (parts.get(key) for key in ("lora_A.weight", "lora_B.weight", "lora_magnitude_vector"))
    if A is None or B is None or magnitude is None or magnitude.numel() != layer.out_channels:
        raise LoraError(f"{where} lacks PEFT's lora_magnitude_vector of its outputs: save it again.")
    base = dense_view(layer, sites_of(layer)[0])
    product = B.to(base).reshape(-1, len(A)) @ A.to(base).flatten(1)
    norms = (base + scaling_of(settings) * product.reshape(base.shape)).flatten(1).norm(dim=1)
    return magnitude.to(base).flatten() / norms


def _grouped(
    layer: Any, parts: Mapping[str, Tensor], settings: AdapterSettings, where: str
) -> tuple[AdapterSettings, dict[str, Tensor]]:
    A, B = parts.get("lora_A.weight"), parts.get("lora_B.weight")
    groups, out, inputs = layer.groups, layer.out_channels, layer.in_channels
    if A is None or B is None or A.ndim != layer.weight.ndim or len(A) % groups:
        raise LoraError(
            f"{where} lacks PEFT's lora_A and lora_B of a convolution with {groups} groups: save it again."
        )
    rank = len(A)
    if A.shape[1] != inputs or tuple(B.shape[:2]) != (out, rank // groups):
        raise LoraError(f"{where}: A is {tuple(A.shape)} and B {tuple(B.shape)} for {groups} groups.")
    if layer.padding_mode != "zeros" or (set(layer.dilation) != {1} and layer.weight[0, 0].numel() > 1):
        raise LoraError(f"{where} has a dilation or padding mode, which PEFT's adapter ignores.")
    blocks = B.flatten(1).view(groups, out // groups, rank // groups)
    whole_B = torch.block_diag(*blocks).view(out, rank, *B.shape[2:])
    by_group = A.view(groups, rank // groups, groups, inputs // groups, *A.shape[2:])
    own = torch.stack([by_group[group, :, group] for group in range(groups)])
    kind = replace(AdapterSettings("lora"), rank=rank, alpha=settings.alpha, rslora=settings.rslora)
    if int(A.count_nonzero()) == int(own.count_nonzero()):
        found = {"lora_A.weight": own.flatten(0, 1), "lora_B.weight": whole_B}
        return kind, found
    return replace(kind, family="cross_group"), {"lora_A": A, "lora_B": whole_B}
