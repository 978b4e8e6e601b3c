"""DoRA: m * V / ||V|| with V = W + scaling * B @ A (Liu et al. 2024, https://arxiv.org/abs/2402.09353,
equation 5).

The norm is one number for each output channel, over its inputs and kernel; so is the magnitude m, which
starts at the norm of W. In the gradient the norm counts as a constant (section 4.3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from visionlora.adapters.base import AdapterSettings, LowRank, ScaledLowRank
from visionlora.adapters.families.lora import Lora


class Dora(Lora):
    """LoRA's A and B and a magnitude for each output channel.

    Attributes:
        magnitude: (out, 1, 1...), with as many dimensions as the weight.
    """

    family: ClassVar[str] = "dora"
    uses_dropout: ClassVar[bool] = False
    strength_in: ClassVar[str] = "own"

    def __init__(
        self, shape: Sequence[int], settings: AdapterSettings, dtype: torch.dtype, generator: torch.Generator
    ) -> None:
        super().__init__(shape, settings, dtype, generator)
        self.magnitude = nn.Parameter(torch.ones(shape[0], *(1,) * (len(shape) - 1), dtype=dtype))

    def start(self, base: Tensor) -> None:
        """The magnitude starts at the norm of each output channel."""
        with torch.no_grad():
            self.magnitude.copy_(_norms(base))

    def weight(self, base: Tensor) -> Tensor:
        """magnitude * V / ||V||, V = base + scaling * B @ A."""
        direction = super().weight(base)
        return direction * (self.magnitude / _norms(direction.detach()))

    def low_rank(self) -> None:
        """None: the base is scaled too."""
        return

    def scaled_low_rank(self, base: Tensor) -> ScaledLowRank:
        """magnitude / ||V||, and LoRA's update."""
        low_rank = LowRank(*self.factors(), self.scaling)
        with torch.no_grad():
            norms = _norms(low_rank.added_to(base))
        return ScaledLowRank(low_rank, scale=self.magnitude / norms)

    def to_peft(self) -> dict[str, Tensor]:
        """PEFT's names and shapes: the magnitude is (out,) of a matrix, (1, out, 1...) of a convolution."""
        magnitude = self.magnitude.detach().transpose(0, 1)
        magnitude = magnitude.flatten() if magnitude.ndim == 2 else magnitude
        return {**super().to_peft(), "lora_magnitude_vector": magnitude}

    def from_peft(self, tensors: Mapping[str, Tensor]) -> None:
        """Copy from PEFT's names."""
        super().from_peft(tensors)
        with torch.no_grad():
            self.magnitude.copy_(tensors["lora_magnitude_vector"].reshape(self.magnitude.shape))

    @classmethod
    def to_peft_config(cls, settings: AdapterSettings) -> dict[str, Any]:
        """`LoraConfig`'s keys with `use_dora`."""
        return {**super().to_peft_config(settings), "use_dora": True}


def _norms(weight: Tensor) -> Tensor:
    """The norm of each output channel, (out, 1, 1...), at least the smallest normal number."""
    norms = weight.flatten(1).norm(dim=1).clamp_min(torch.finfo(weight.dtype).tiny)
    return norms.view(-1, *(1,) * (weight.ndim - 1))
