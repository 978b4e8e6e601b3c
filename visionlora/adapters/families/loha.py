"""LoHa: W + scaling * (w1_a @ w1_b) * (w2_a @ w2_b), elementwise product of two low-rank matrices.

Hyeon-Woo et al. 2022 (FedPara, https://arxiv.org/abs/2108.06098, equation 3): the product's rank goes up to
r^2 for twice LoRA's parameters. The weight is (out, in/groups * kernel...), with the kernel flattened, as in
LyCORIS and PEFT (`use_effective_conv2d=False`). w2_a starts at zero, so the update does too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from visionlora.adapters.base import (
    Adapter,
    AdapterSettings,
    LowRank,
    divided_by_rank,
    padding_obstacle,
    scaling_of,
)


class Loha(Adapter):
    """LoHa's four factors, under PEFT's names.

    Attributes:
        hada_w1_a, hada_w2_a: (out, r).
        hada_w1_b, hada_w2_b: (r, in/groups * kernel...).
    """

    family: ClassVar[str] = "loha"
    peft_type: ClassVar[str | None] = "LOHA"
    strength_in: ClassVar[str] = "alpha"
    settings_in_peft: ClassVar[bool] = True

    def __init__(
        self, shape: Sequence[int], settings: AdapterSettings, dtype: torch.dtype, generator: torch.Generator
    ) -> None:
        super().__init__(shape, settings, dtype, generator)
        out, columns, rank = shape[0], torch.Size(shape[1:]).numel(), settings.rank

        def gaussian(*size: int, std: float) -> nn.Parameter:
            return nn.Parameter(torch.randn(size, dtype=dtype, generator=generator).mul_(std))

        # LyCORIS's start: 0.1 and 1 for the first factor, 0 and 1 for the second.
        self.hada_w1_a = gaussian(out, rank, std=0.1)
        self.hada_w1_b = gaussian(rank, columns, std=settings.init_std or 1.0)
        self.hada_w2_a = nn.Parameter(torch.zeros(out, rank, dtype=dtype))
        self.hada_w2_b = gaussian(rank, columns, std=settings.init_std or 1.0)

    def weight(self, base: Tensor) -> Tensor:
        """base + scaling * (w1_a @ w1_b) * (w2_a @ w2_b)."""
        product = (self.hada_w1_a @ self.hada_w1_b) * (self.hada_w2_a @ self.hada_w2_b)
        return base + scaling_of(self.settings) * product.view(self.shape)

    def low_rank(self) -> LowRank | None:
        """The product as one of rank r^2, row by row and column by column (Khatri-Rao): None where that is no
        less than the layer's full rank."""
        (out, rank), columns = self.hada_w1_a.shape, self.hada_w1_b.shape[1]
        if rank * rank >= min(out, columns):
            return None
        B = (self.hada_w1_a[:, :, None] * self.hada_w2_a[:, None, :]).flatten(1)
        A = (self.hada_w1_b[:, None, :] * self.hada_w2_b[None, :, :]).flatten(0, 1)
        ones = (1,) * (len(self.shape) - 2)
        scaling = scaling_of(self.settings) * self.strength
        return LowRank(A.view(-1, *self.shape[1:]), B.view(out, -1, *ones), scaling)

    @property
    def saved_settings(self) -> AdapterSettings:
        """PEFT divides alpha by the rank alone."""
        return divided_by_rank(self.settings)

    @classmethod
    def to_peft_config(cls, settings: AdapterSettings) -> dict[str, Any]:
        """`LoHaConfig`'s keys."""
        return {"r": settings.rank, "alpha": settings.alpha}

    @classmethod
    def from_peft_config(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """Rank and alpha."""
        if config.get("use_effective_conv2d"):
            raise ValueError("use_effective_conv2d is not known here: convert the adapter in PEFT.")
        return {"rank": config.get("r", 8), "alpha": config.get("alpha", 8)}

    def peft_obstacle(self, layer: nn.Module) -> str | None:
        """PEFT convolves with the update by itself."""
        return padding_obstacle(layer)

    @classmethod
    def rank_of(cls, tensors: Mapping[str, Tensor]) -> int | None:
        """The columns of w1_a."""
        first = tensors.get("hada_w1_a")
        return None if first is None or first.ndim != 2 else first.shape[1]
