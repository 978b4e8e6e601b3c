"""GLoRA: W + scaling * (W a1 a2 + b1 b2) (Chavan et al. 2023, https://arxiv.org/abs/2306.07967, equation 10).

The weight's part of the paper's formula, as LyCORIS has it: W A mixes the inputs of the frozen weight, with
A = a1 @ a2 over the input channels of a group, and B = b1 @ b2 is LoRA's update. The paper's biases are not
part of a weight. a2 and b2 start at zero, so the update does. PEFT's GLoRA multiplies W and A elementwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from visionlora.adapters.base import Adapter, AdapterSettings, LowRank, ScaledLowRank, scaling_of


class Glora(Adapter):
    """GLoRA's four factors.

    Attributes:
        a1: (in/groups, r).
        a2: (r, in/groups).
        b1: (out, r).
        b2: (r, in/groups, kernel...).
    """

    family: ClassVar[str] = "glora"
    unused: ClassVar[tuple[str, ...]] = ("init_std",)
    strength_in: ClassVar[str] = "alpha"

    def __init__(
        self, shape: Sequence[int], settings: AdapterSettings, dtype: torch.dtype, generator: torch.Generator
    ) -> None:
        super().__init__(shape, settings, dtype, generator)
        out, inputs, *kernel = shape
        rank = settings.rank

        def uniform(rows: int) -> nn.Parameter:
            """As LyCORIS: uniform up to 1 / sqrt(fan-in)."""
            values = torch.rand(rows, rank, dtype=dtype, generator=generator)
            return nn.Parameter(values.mul_(2).sub_(1).mul_(rank**-0.5))

        self.a1, self.b1 = uniform(inputs), uniform(out)
        self.a2 = nn.Parameter(torch.zeros(rank, inputs, dtype=dtype))
        self.b2 = nn.Parameter(torch.zeros(rank, inputs, *kernel, dtype=dtype))

    def weight(self, base: Tensor) -> Tensor:
        """base + scaling * (base a1 a2 + b1 b2)."""
        narrow = torch.einsum("oi...,ir->or...", base, self.a1)
        mixed = torch.einsum("or...,rj->oj...", narrow, self.a2)
        added = (self.b1 @ self.b2.flatten(1)).view(base.shape)
        return base + scaling_of(self.settings) * (mixed + added)

    def scaled_low_rank(self, base: Tensor) -> ScaledLowRank | None:
        """(base a1) a2 and b1 b2 as one product of rank r (k + 1), with k pixels of the kernel; None where
        that is no less than the layer's full rank."""
        (out, inputs, *kernel), rank = self.shape, self.settings.rank
        pixels = torch.Size(kernel).numel()
        if rank * (pixels + 1) >= min(out, inputs * pixels):
            return None
        narrow = torch.einsum("oip,ir->opr", base.reshape(out, inputs, pixels), self.a1)
        # Each pixel of the kernel has r rows of its own, which are a2 there and zero elsewhere.
        place = torch.eye(pixels, dtype=base.dtype, device=base.device)
        spread = torch.einsum("pq,ri->priq", place, self.a2).reshape(-1, inputs, *kernel)
        A = torch.cat([spread, self.b2])
        B = torch.cat([narrow.flatten(1), self.b1], dim=1).view(out, -1, *(1 for _ in kernel))
        return ScaledLowRank(LowRank(A, B, scaling_of(self.settings)))

    @classmethod
    def rank_of(cls, tensors: Mapping[str, Tensor]) -> int | None:
        """The columns of a1."""
        a1 = tensors.get("a1")
        return None if a1 is None or a1.ndim != 2 else a1.shape[1]
