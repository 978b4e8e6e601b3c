"""Norm: changes of a normalization's weight and bias, w + d and b + e (Frankle et al. 2021,
https://arxiv.org/abs/2003.00152, section 3; for transformers Zhao et al. 2024, LN tuning,
https://arxiv.org/abs/2312.11420).

Statistics stay frozen. Both changes start at zero. It is for normalization layers with weight and bias,
whatever `targets` says, and for no others. Files are not exchanged: PEFT saves whole tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from visionlora.adapters.base import AdapterSettings
from visionlora.adapters.module_adapter import ModuleAdapter

NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm)


class Norm(ModuleAdapter):
    """The two changes.

    Attributes:
        weight_difference, bias_difference: of the weight's shape.
    """

    family: ClassVar[str] = "norm"
    unused: ClassVar[tuple[str, ...]] = ("rank", "alpha", "rslora", "init_std")
    layers: ClassVar[tuple[type[nn.Module], ...]] = NORMS
    mergeable: ClassVar[bool] = True

    def __init__(
        self, shape: Sequence[int], settings: AdapterSettings, dtype: torch.dtype, generator: torch.Generator
    ) -> None:
        super().__init__(shape, settings, dtype, generator)
        self.weight_difference = nn.Parameter(torch.zeros(tuple(shape), dtype=dtype))
        self.bias_difference = nn.Parameter(torch.zeros(tuple(shape), dtype=dtype))

    @classmethod
    def can_attach_to(cls, layer: nn.Module) -> bool:
        """Only where there are a weight and a bias to change."""
        return isinstance(layer, cls.layers) and all(
            layer._parameters.get(name) is not None for name in ("weight", "bias")
        )

    def merge_into(self, layer: Any) -> None:
        """Put strength * bias_difference into the bias; the weight is merged with the layer."""
        bias = layer._parameters["bias"]
        changed = bias.to(self.bias_difference.dtype) + self.strength * self.bias_difference.detach()
        layer._parameters["bias"] = nn.Parameter(changed.to(bias.dtype), requires_grad=False)
