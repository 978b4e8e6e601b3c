"""What a file of PEFT holds beside the adapters of its family: biases, LoRA of grouped convolutions, and IA3
of layers with a bias, which PEFT scales with the outputs.

PEFT trains biases themselves (`bias="all"`, `"lora_only"`); here a change of a bias is an adapter of its own.
On a grouped convolution PEFT's A (r, in, kernel...) sees all groups and B (out, r / groups, 1...) is grouped.
Where each group's rows of A are zero outside its own channels, that is a change of the grouped weight
(`lora`); otherwise it is computed beside the layer (`cross_group`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from visionlora.adapters.base import AdapterSettings
from visionlora.adapters.config import LoraConfig
from visionlora.adapters.errors import LoraError
from visionlora.adapters.families.bias import Bias
from visionlora.adapters.io.foreign import ForeignAdapter
from visionlora.adapters.io.other_programs import Places

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
    """Take biases, grouped convolutions and scaled biases out of what a PEFT file holds.

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
    scales_bias = settings.families[0] == "ia3" and not config["visionlora"]  # ours scales the weight alone
    for site in list(tensors):
        layer: Any = modules.get(site)
        if layer is None or places.obstacle(site, layer, "PEFT") is not None:  # named as a mismatch
            continue
        of_site = settings.settings_of(site)
        if (
            of_site.family == "lora"
            and isinstance(layer, _ConvNd)
            and layer.groups > 1
            and not layer.transposed
        ):
            read.add(site, *_grouped(layer, tensors.pop(site), of_site, f"{path}: {site}"))
        elif scales_bias and of_site.options.get("side") == "output" and Bias.can_attach_to(layer):
            _split_scale(read, site, layer, of_site, tensors)
    return read


def _split_scale(
    read: ForeignAdapter,
    site: str,
    layer: Any,
    settings: AdapterSettings,
    tensors: dict[str, dict[str, Tensor]],
) -> None:
    """l (W x + b) is IA3's l W x and a change of the bias by (l - 1) b."""
    scale, bias = tensors[site].get("ia3_l"), layer._parameters["bias"]
    if scale is not None and scale.numel() == len(bias):
        read.add(site, settings, tensors.pop(site))
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
