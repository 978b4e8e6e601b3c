"""What starts from data need: layers' inputs and weights' gradients on a plain network, and putting starts
into adapters."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext
from typing import Any, cast

import torch
from torch import Tensor, nn

from visionlora.adapters.errors import LoraError
from visionlora.adapters.families.lora import Lora
from visionlora.adapters.init.start import Start
from visionlora.adapters.merging import adapters_off
from visionlora.adapters.module_adapter import CONVOLUTIONS, pad
from visionlora.adapters.network import adapted_layers, named_adapters, named_sites

MOST_NUMBERS = 2**19
"""That a layer keeps of each call: of layers with many columns fewer rows."""


@torch.no_grad()
def layer_inputs(
    model: nn.Module,
    run: Callable[[], Any],
    rows: int = 2048,
    only: Collection[str] | None = None,
) -> dict[str, Tensor]:
    """The inputs of the network's convolutions and linear layers, as rows that their kernels see.

    Other layers, and those whose forward pass is not called (`out_proj` of attention), are left out.

    Args:
        model: plain or adapted.
        run: computes the network on the data, in as many calls as it likes.
        rows: how many a layer keeps at most of each call of it, drawn without repetition.
        only: the layers in question; None: all.

    Returns:
        (n, in/groups * kernel...) by the layer's name, on the CPU.
    """
    generator = torch.Generator().manual_seed(0)
    found: dict[str, list[Tensor]] = {}
    handles = []

    def keep(name: str) -> Callable[..., None]:
        def hook(module: Any, arguments: tuple[Tensor, ...]) -> None:
            patches = input_rows(module, arguments[0].detach())
            most = max(1, min(rows, MOST_NUMBERS // patches.shape[1]))
            chosen = torch.randperm(len(patches), generator=generator)[:most]
            found.setdefault(name, []).append(patches[chosen.to(patches.device)].float().cpu())

        return hook

    for name, (module, site) in named_sites(model).items():
        wanted = only is None or name in only
        if wanted and isinstance(module, (*CONVOLUTIONS, nn.Linear)) and not site.part:
            handles.append(module.register_forward_pre_hook(keep(name)))
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    return {name: torch.cat(parts) for name, parts in found.items()}


def input_rows(layer: Any, x: Tensor) -> Tensor:
    """x as the rows that the layer's weight is multiplied with, (n, in/groups * kernel...)."""
    if isinstance(layer, nn.Linear):
        return x.reshape(-1, x.shape[-1])
    x, dims = pad(x, layer), len(layer.kernel_size)
    for axis in range(dims):
        size, step = layer.kernel_size[axis], layer.dilation[axis]
        x = x.unfold(axis + 2, step * (size - 1) + 1, layer.stride[axis])[..., ::step]
    # (N, in, places..., kernel...) to (N, places..., groups, in/groups, kernel...)
    x = x.movedim(1, 1 + dims)
    return x.reshape(-1, (layer.in_channels // layer.groups) * torch.Size(layer.kernel_size).numel())


def weight_gradients(model: nn.Module, loss: Callable[[], Tensor]) -> dict[str, Tensor]:
    """The gradient of a loss in every weight that can be adapted, as (out, in/groups, kernel...).

    Args:
        model: plain or adapted; its adapters are off meanwhile, and nothing of it changes.
        loss: computes the network on the data, a scalar.
    """
    sites = named_sites(model)
    parameters = {
        name: cast(nn.Parameter, module._parameters[site.parameter]) for name, (module, site) in sites.items()
    }
    off = adapters_off(model) if adapted_layers(model) else nullcontext()
    before = [parameter.requires_grad for parameter in parameters.values()]
    try:
        for parameter in parameters.values():
            parameter.requires_grad_(True)
        unique = list({id(one): one for one in parameters.values()}.values())
        with off, torch.enable_grad():
            found = torch.autograd.grad(loss(), unique, allow_unused=True)
    finally:
        for parameter, was in zip(parameters.values(), before, strict=True):
            parameter.requires_grad_(was)
    gradients = {id(one): gradient for one, gradient in zip(unique, found, strict=True)}
    return {
        name: site.view(gradient)
        for name, (_, site) in sites.items()
        if (gradient := gradients[id(parameters[name])]) is not None
    }


def set_starts(model: nn.Module, starts: Mapping[str, Start], name: str | None = None) -> None:
    """Start these adapters from these values, in place; their product is subtracted.

    Args:
        model: has LoRA-like adapters.
        starts: by the full name of the weight.
        name: of the adapter; None: the active one.

    Raises:
        LoraError: a weight has no adapter, one without A and B, or one of another rank.
    """
    adapters = named_adapters(model, name)
    for site, start in starts.items():
        adapter = adapters.get(site)
        if not isinstance(adapter, Lora):
            raise LoraError(f"{site} has no adapter with A and B: attach one of family lora to it first.")
        if start.A.shape != adapter.lora_A.shape:
            given, wanted = start.A.shape[0], adapter.settings.rank
            raise LoraError(f"The start of {site} has rank {given}, its adapter {wanted}: use the same rank.")
    for site, start in starts.items():
        cast(Lora, adapters[site]).set_start(*start)
