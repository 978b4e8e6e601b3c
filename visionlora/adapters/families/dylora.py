"""DyLoRA: LoRA that is good at every rank up to r (Valipour et al. 2023, https://arxiv.org/abs/2210.07558,
equations 4 to 8).

Each step trains with the first b rows of A and columns of B, b drawn uniformly from 1 to r: W + alpha / b *
B[:, :b] @ A[:b]. In eval mode all are used. `cut_rank` keeps the first ones; the rest is thrown away. Saved
it is plain LoRA.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from visionlora.adapters.base import AdapterSettings, Option, scaling_of
from visionlora.adapters.families.lora import Lora


class Dylora(Lora):
    """LoRA's A and B.

    Options:
        seed: which ranks are drawn is a function of it and of the step; all layers draw the same share of r.
        frozen: train the b-th row and column alone (the paper's FROZEN variant), not all first b.

    Attributes:
        trained_rank: b of the next step; r until a step was taken.
    """

    family: ClassVar[str] = "dylora"
    lr_factor: ClassVar[float] = 4.0
    defaults: ClassVar[Mapping[str, Option]] = {"seed": 0, "frozen": False}
    minima: ClassVar[Mapping[str, float]] = {"seed": 0}

    def __init__(
        self, shape: Sequence[int], settings: AdapterSettings, dtype: torch.dtype, generator: torch.Generator
    ) -> None:
        super().__init__(shape, settings, dtype, generator)
        self.trained_rank = settings.rank

    def on_step(self, step: int, total: int) -> None:
        """Draw the next step's rank."""
        generator = torch.Generator().manual_seed(self.option("seed") * 1_000_003 + step)
        share = float(torch.rand((), generator=generator))
        self.trained_rank = 1 + int(share * self.settings.rank)

    def on_start(self, step: int, total: int) -> None:
        """The rank that was drawn last."""
        if step:
            self.on_step(step, total)
        else:
            self.trained_rank = self.settings.rank

    @property
    def current_rank(self) -> int:
        """How many rows of A take part now."""
        return min(self.trained_rank, self.settings.rank) if self.training else self.settings.rank

    @property
    def scaling(self) -> float:
        """alpha / b."""
        return scaling_of(replace(self.settings, rank=self.current_rank))

    def factors(self) -> tuple[Tensor, Tensor]:
        """The first b rows of A and columns of B, with the start that is subtracted."""
        rank = self.current_rank
        A, B = self.lora_A[:rank], self.lora_B[:, :rank]
        if self.option("frozen") and self.training:
            A = torch.cat([A[:-1].detach(), A[-1:]])
            B = torch.cat([B[:, :-1].detach(), B[:, -1:]], dim=1)
        return self._with_start(A, B, rank)

    def to_peft(self) -> dict[str, Tensor]:
        """All rows, in training mode too."""
        A, B = self._with_start(self.lora_A, self.lora_B, self.settings.rank)
        return {"lora_A.weight": A.detach(), "lora_B.weight": B.detach()}

    def _with_start(self, A: Tensor, B: Tensor, rank: int) -> tuple[Tensor, Tensor]:
        if self.start_A is None or self.start_B is None:
            return A, B
        return torch.cat([A, self.start_A[:rank]]), torch.cat([B, -self.start_B[:, :rank]], dim=1)

    def cut(self, rank: int) -> None:
        """Keep the first rows of A and columns of B; what is computed is the network trained at that rank."""
        self.settings = replace(self.settings, rank=rank)
        self.lora_A = nn.Parameter(self.lora_A.detach()[:rank].clone())
        self.lora_B = nn.Parameter(self.lora_B.detach()[:, :rank].clone())
        if self.start_A is not None and self.start_B is not None:
            self.start_A, self.start_B = self.start_A[:rank].clone(), self.start_B[:, :rank].clone()
        self.trained_rank = rank
