"""Bias: b + d, a change of a layer's bias (Ben Zaken et al. 2022, BitFit, https://arxiv.org/abs/2106.10199,
section 2).

The frozen bias stays as it is; d is added to the output and starts at zero. Beside an adapter of the weight
under another name it is what PEFT calls `bias="lora_only"`; PEFT saves whole biases, so files are not
exchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from visionlora.adapters.base import AdapterSettings
from visionlora.adapters.module_adapter import CONVOLUTIONS, ModuleAdapter


class Bias(ModuleAdapter):
    """The change.

    Attributes:
        difference: (out, 1...), with one dimension less than the weight.
    """

    family: ClassVar[str] = "bias"
    unused: ClassVar[tuple[str, ...]] = ("rank", "alpha", "rslora", "init_std")
    layers: ClassVar[tuple[type[nn.Module], ...]] = (*CONVOLUTIONS, nn.Linear)
    mergeable: ClassVar[bool] = True

    def __init__(
        self, shape: Sequence[int], settings: AdapterSettings, dtype: torch.dtype, generator: torch.Generator
    ) -> None:
        super().__init__(shape, settings, dtype, generator)
        self.difference = nn.Parameter(torch.zeros(shape[0], *(1,) * (len(shape) - 2), dtype=dtype))

    @classmethod
    def can_attach_to(cls, layer: Any) -> bool:
        """Only where there is a bias to change."""
        return isinstance(layer, cls.layers) and layer._parameters.get("bias") is not None

    def branch(self, x: Tensor, layer: Any, factor: Tensor | float) -> Tensor:
        """factor times the change, the same everywhere."""
        scale = factor if isinstance(factor, float) else factor.view(self.difference.shape)
        return self.difference * scale

    def merge_into(self, layer: Any) -> None:
        """Put strength * difference into the bias."""
        layer._parameters["bias"] = nn.Parameter(changed_bias(layer, [self]).detach(), requires_grad=False)


def changed_bias(layer: Any, changes: Sequence[Bias]) -> Tensor:
    """The layer's frozen bias with these changes in it, (out,), with a gradient to them."""
    bias = layer._parameters["bias"].detach()
    total = bias.to(changes[0].difference.dtype)
    for one in changes:
        total = total + one.strength * one.difference.flatten()
    return total.to(bias.dtype)
