"""LoRA: W + scaling * B @ A (Hu et al. 2021, https://arxiv.org/abs/2106.09685, equation 3).

For a weight of shape (out, in/groups, kernel...), A is (r, in/groups, kernel...) and B (out, r, 1...): one
definition for every kernel and every number of groups. A starts Gaussian, B at zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from visionlora.adapters.base import Adapter, AdapterSettings, LowRank, scaling_of
from visionlora.frozen.weight import DenseWeight
from visionlora.kernels import LayerTensors, merged_weight


class Lora(Adapter):
    """LoRA's A and B.

    Attributes:
        lora_A: (r, in/groups, kernel...).
        lora_B: (out, r, 1...), with as many dimensions.
    """

    family: ClassVar[str] = "lora"
    peft_type: ClassVar[str | None] = "LORA"
    uses_dropout: ClassVar[bool] = True

    def __init__(
        self, shape: Sequence[int], settings: AdapterSettings, dtype: torch.dtype, generator: torch.Generator
    ) -> None:
        super().__init__(shape, settings, dtype, generator)
        out, *rest = shape
        fan_in = torch.Size(rest).numel()
        std = settings.init_std or fan_in**-0.5
        A = torch.randn((settings.rank, *rest), dtype=dtype, generator=generator).mul_(std)
        self.lora_A = nn.Parameter(A)
        self.lora_B = nn.Parameter(torch.zeros(out, settings.rank, *(1,) * (len(rest) - 1), dtype=dtype))

    def weight(self, base: Tensor) -> Tensor:
        """base + scaling * B @ A."""
        layer = LayerTensors(DenseWeight(base), None, self.lora_A, self.lora_B, scaling_of(self.settings))
        return merged_weight(layer)

    def low_rank(self) -> LowRank:
        """A, B and the scaling."""
        return LowRank(self.lora_A, self.lora_B, scaling_of(self.settings, self.strength))

    def to_peft(self) -> dict[str, Tensor]:
        """PEFT's names; the shapes are PEFT's already."""
        return {f"{name}.weight": parameter.detach() for name, parameter in self.named_parameters()}

    def from_peft(self, tensors: Mapping[str, Tensor]) -> None:
        """Copy A and B from PEFT's names."""
        super().from_peft({name.removesuffix(".weight"): tensor for name, tensor in tensors.items()})

    @classmethod
    def rank_of(cls, tensors: Mapping[str, Tensor]) -> int | None:
        """The rows of A."""
        A = tensors.get("lora_A.weight")
        return None if A is None or not A.ndim else A.shape[0]
