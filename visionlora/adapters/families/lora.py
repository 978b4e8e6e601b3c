"""LoRA: W + scaling * B @ A (Hu et al. 2021, https://arxiv.org/abs/2106.09685, equation 3).

For a weight of shape (out, in/groups, kernel...), A is (r, in/groups, kernel...) and B (out, r, 1...): one
definition for every kernel and every number of groups. A starts Gaussian, B at zero.

A start whose product is not zero (PiSSA) is subtracted: W + scaling * (B @ A - B_0 @ A_0), which is low-rank
too, of rank 2r. It is saved as that LoRA of rank 2r, which is PEFT's conversion of PiSSA.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from visionlora.adapters.base import Adapter, AdapterSettings, LowRank, scaling_of


class Lora(Adapter):
    """LoRA's A and B.

    Attributes:
        lora_A: (r, in/groups, kernel...).
        lora_B: (out, r, 1...), with as many dimensions.
        start_A, start_B: what is subtracted, of the same shapes; None where the start is zero.
    """

    family: ClassVar[str] = "lora"
    peft_type: ClassVar[str | None] = "LORA"
    uses_dropout: ClassVar[bool] = True
    strength_in: ClassVar[str] = "alpha"
    settings_in_peft: ClassVar[bool] = True
    start_A: Tensor | None
    start_B: Tensor | None

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
        self.register_buffer("start_A", None)
        self.register_buffer("start_B", None)

    def set_start(self, A: Tensor, B: Tensor | None = None) -> None:
        """Start from these values, A (r, in/groups, kernel...) and B (out, r, 1...), None for zero; their
        product is subtracted from the update, which starts at zero."""
        with torch.no_grad():
            self.lora_A.copy_(A)
            self.lora_B.zero_()
            self.start_A = self.start_B = None
            if B is not None:
                self.lora_B.copy_(B)
                self.start_A, self.start_B = self.lora_A.detach().clone(), self.lora_B.detach().clone()

    def weight(self, base: Tensor) -> Tensor:
        """base + scaling * B @ A."""
        return LowRank(*self.factors(), self.scaling).added_to(base)

    def low_rank(self) -> LowRank | None:
        """A, B and the scaling."""
        return LowRank(*self.factors(), self.scaling * self.strength)

    def factors(self) -> tuple[Tensor, Tensor]:
        """A and B, with the start that is subtracted stacked below and beside them."""
        A, B = self.lora_A, self.lora_B
        if self.start_A is None or self.start_B is None:
            return A, B
        return torch.cat([A, self.start_A]), torch.cat([B, -self.start_B], dim=1)

    @property
    def scaling(self) -> float:
        """What B @ A is multiplied with, at strength 1."""
        return scaling_of(self.settings)

    def to_peft(self) -> dict[str, Tensor]:
        """PEFT's names; the shapes are PEFT's already."""
        A, B = self.factors()
        return {"lora_A.weight": A.detach(), "lora_B.weight": B.detach()}

    def from_peft(self, tensors: Mapping[str, Tensor]) -> None:
        """Copy A and B from PEFT's names."""
        self.start_A = self.start_B = None
        with torch.no_grad():
            self.lora_A.copy_(tensors["lora_A.weight"])
            self.lora_B.copy_(tensors["lora_B.weight"])

    @property
    def saved_settings(self) -> AdapterSettings:
        """Twice the rank where a start is subtracted, with the alpha that keeps the scaling."""
        if self.start_A is None:
            return self.settings
        factor = 2**0.5 if self.settings.rslora else 2
        return replace(
            self.settings, rank=2 * self.settings.rank, alpha=factor * self.settings.alpha, init="default"
        )

    @classmethod
    def to_peft_config(cls, settings: AdapterSettings) -> dict[str, Any]:
        """`LoraConfig`'s keys."""
        return {
            "r": settings.rank,
            "lora_alpha": settings.alpha,
            "use_rslora": settings.rslora,
            "lora_dropout": settings.dropout,
            "fan_in_fan_out": False,
            "init_lora_weights": True,
        }

    @classmethod
    def from_peft_config(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """Rank, alpha, dropout and rsLoRA."""
        return {
            "rank": config.get("r", 8),
            "alpha": config.get("lora_alpha", 8),
            "dropout": config.get("lora_dropout", 0.0) if cls.uses_dropout else 0.0,
            "rslora": config.get("use_rslora", False),
        }

    @classmethod
    def rank_of(cls, tensors: Mapping[str, Tensor]) -> int | None:
        """The rows of A."""
        A = tensors.get("lora_A.weight")
        return None if A is None or not A.ndim else A.shape[0]
