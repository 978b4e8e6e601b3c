"""Small networks that the tests of this folder share."""

from __future__ import annotations

import torch
from torch import nn

from visionlora.adapters import FAMILIES, Adapter, active_adapters
from visionlora.adapters.layers import AdaptedLayer
from visionlora.adapters.module_adapter import ModuleAdapter

WEIGHT_FAMILIES = [name for name, family in FAMILIES.items() if not issubclass(family, ModuleAdapter)]
"""Modules of their own (Conv-Adapter, prompts) stand on some layers alone and can't be merged."""


def small_network(norm: bool = True) -> nn.Sequential:
    """(N, 3, H, W) to (N, 5): plain, grouped and depthwise convolutions, batch norm, a linear layer."""
    middle = [nn.BatchNorm2d(8)] if norm else []
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        *middle,
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, groups=8, padding=1, bias=False),
        nn.Conv2d(8, 12, 3, groups=2, stride=2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(12, 5),
    ).eval()


def only(layer: AdaptedLayer) -> Adapter:
    """The one adapter of a layer."""
    (adapter,) = layer.active_adapters()
    return adapter


def perturb(model: nn.Module, std: float = 0.3) -> None:
    """Gives adapters values, as training would: LoRA's B, all parameters of other families."""
    with torch.no_grad():
        for adapter in active_adapters(model):
            parameters = dict(adapter.named_parameters())
            for parameter in [parameters["lora_B"]] if adapter.family == "lora" else parameters.values():
                parameter.normal_(0, std)


def snapshot(model: nn.Module) -> dict[str, torch.Tensor]:
    """A copy of the network's state, without adapters."""
    state = model.state_dict()
    return {key: value.clone() for key, value in state.items() if ".adapters." not in f".{key}"}


def same_bits(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    """Whether two states hold the same tensors, to the bit."""
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


class Attention(nn.Module):
    """Reads weight and bias of its `out_proj`, and never calls it."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.attention(x, x, x, need_weights=False)[0]
