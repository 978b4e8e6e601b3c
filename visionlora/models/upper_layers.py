"""``lora.targets=auto``: the layers that a run adapts where it says nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from visionlora.adapters import LoraConfig
from visionlora.adapters.families.visual_prompt import VisualPrompt
from visionlora.adapters.network import named_sites
from visionlora.adapters.patterns import exactly
from visionlora.adapters.several_families import fitting_sites

SHARE = 0.5
"""Of the multiplications of a forward pass. With the last 12 of SqueezeNet's 26 layers, half of its
multiplications, learning and forgetting lie on the same curve as with all of them (docs/forgetting.md), and
what is below is computed once (``cache.features``)."""

SMALL = 200_000_000
"""Multiplications up to which a network is adapted whole: its steps are short anyway, and pocket (90 million)
learned 10.5 instead of 12 of 12 goldfish with its upper layers alone."""


def with_upper_layers(model: nn.Module, lora: LoraConfig, size: int) -> LoraConfig:
    """The adapters with the layers that ``auto`` means for them: of the upper layers those that their
    families are for. A visual prompt is around the image, so it is on the first layer.

    Args:
        model, size: as :func:`upper_layers` has them.
        lora: the adapters, whose targets are ``auto``.
    """
    upper = fitting_sites(model, lora, upper_layers(model, size))
    first = next(iter(named_sites(model)))
    if VisualPrompt.family not in lora.families_of(first) or first in upper:
        return replace(lora, targets=upper)
    pattern = {exactly(first): VisualPrompt.family, **lora.family_pattern}
    return replace(lora, targets=[first, *upper], family_pattern=pattern)


def upper_layers(model: nn.Module, size: int, share: float = SHARE, small: int = SMALL) -> list[str]:
    """The last weights of a network that together take at most ``share`` of a forward pass, at least one; of
    a small network all.

    Args:
        model: plain, in eval mode, (n, 3, size, size) to logits.
        size: pixels a side of its input.
        share: of the multiplications, above 0.
        small: multiplications of a small network's forward pass, at most.

    Returns:
        Full names of weights, in the model's order.
    """
    sites, spent = named_sites(model), multiplications(model, size)
    total = sum(spent.values())
    if total <= small:
        return list(sites)
    left = share * total
    chosen: list[str] = []
    for name, (module, _) in reversed(sites.items()):
        left -= spent.pop(module, 0)
        if left < 0 and chosen:
            break
        chosen.append(name)
    return chosen[::-1]


@torch.no_grad()
def multiplications(model: nn.Module, size: int) -> dict[nn.Module, int]:
    """How many multiplications each layer's weights take in a forward pass of one image; those of adapters
    do not count.

    Args:
        model: in eval mode, (n, 3, size, size) to logits.
        size: pixels a side of its input.
    """
    spent: dict[nn.Module, int] = {}

    def count(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        spent[module] = spent.get(module, 0) + _multiplications(module, inputs[0], output)

    layers = {module for module, _ in named_sites(model).values()}
    handles = [module.register_forward_hook(count) for module in layers]
    try:
        model(torch.zeros(1, 3, size, size, device=next(model.parameters()).device))
    finally:
        for handle in handles:
            handle.remove()
    return spent


def _multiplications(module: nn.Module, x: Tensor, output: Any) -> int:
    """Those of a layer's products with its weights; looking a row up takes none."""
    if isinstance(module, nn.Embedding):
        return 0
    # A transposed convolution multiplies at each of its inputs, everything else at each output.
    values = x if isinstance(module, _ConvTransposeNd) else output[0] if isinstance(output, tuple) else output
    channels = values.shape[1 if isinstance(module, _ConvNd) else -1]
    weights = (one for name, one in module.named_parameters() if not name.startswith("adapters."))
    return values.numel() // channels * sum(weight.numel() for weight in weights if weight.ndim > 1)
