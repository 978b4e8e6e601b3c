"""Normalization layers with changes of their weight and bias (`families.norm`)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from visionlora.adapters.families.norm import Norm
from visionlora.adapters.layers import HasWeight
from visionlora.adapters.sites import WHOLE, WeightSite


class AdaptedNorm(HasWeight):
    """A normalization layer; its own forward pass reads weight and bias."""

    @classmethod
    def members(cls, base: type[nn.Module]) -> dict[str, Any]:
        """None: every class of these reads its parameters."""
        return {}

    @property
    def sites(self) -> tuple[WeightSite, ...]:
        """The weight."""
        return WHOLE

    def adapted_weight(self, dropout: bool = False) -> Tensor:
        """weight + strength * weight_difference, summed over the adapters, in the base's type."""
        return self.base_weight + self.update().to(self.base_weight.dtype)

    def update(self) -> Tensor:
        """adapted weight - base weight."""
        return self._change("weight_difference")

    @property
    def bias(self) -> Tensor:
        """The bias that the layer computes with now."""
        base: Any = self._parameters["bias"]
        if self.off or not self.active:
            return base
        change = self._change("bias_difference").to(base.dtype)
        return base + (change if self.merged_weight is None else change.detach())

    def _change(self, name: str) -> Tensor:
        base = self.base_weight
        total = torch.zeros(base.shape, dtype=self._exact, device=base.device)
        for adapter in self.active_adapters():
            total = total + adapter.strength * getattr(adapter, name)
        return total


def named_norms(model: nn.Module) -> dict[str, tuple[nn.Module, WeightSite]]:
    """The weights of the normalization layers that can be changed, by the layers' names."""
    return {name: (module, WHOLE[0]) for name, module in model.named_modules() if Norm.can_attach_to(module)}
