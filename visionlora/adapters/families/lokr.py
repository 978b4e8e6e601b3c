"""LoKr: W + scaling * kron(w1, w2), a Kronecker product (Yeh et al. 2024, LyCORIS,
https://arxiv.org/abs/2309.14859, section 3.2; Edalati et al. 2022, KronA, https://arxiv.org/abs/2212.10650).

The outputs are factored as out = a * b and the inputs of a group as in/groups = c * d; w1 is (a, c), w2 is
(b, d, kernel...). w2 is the product of w2_a (b, r) and w2_b (r, d * kernel...) where r is below half of its
larger side, and with `decompose_both` w1 too. w2 (or w2_b) starts at zero, so the update does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from visionlora.adapters.base import (
    Adapter,
    AdapterSettings,
    Option,
    divided_by_rank,
    padding_obstacle,
    scaling_of,
)


class Lokr(Adapter):
    """LoKr's factors, under PEFT's names.

    Options:
        factor: which divisor of the outputs and inputs w1 has; -1 for the one closest to the square root.
        decompose_both: whether w1 is low-rank too.

    Attributes:
        lokr_w1: (a, c), or lokr_w1_a: (a, r) and lokr_w1_b: (r, c).
        lokr_w2: (b, d, kernel...), or lokr_w2_a: (b, r) and lokr_w2_b: (r, d * kernel...).
    """

    family: ClassVar[str] = "lokr"
    unused: ClassVar[tuple[str, ...]] = ("init_std",)
    peft_type: ClassVar[str | None] = "LOKR"
    strength_in: ClassVar[str] = "alpha"
    lr_factor: ClassVar[float] = 3.0
    settings_in_peft: ClassVar[bool] = True
    defaults: ClassVar[Mapping[str, Option]] = {"factor": -1, "decompose_both": False}

    def __init__(
        self, shape: Sequence[int], settings: AdapterSettings, dtype: torch.dtype, generator: torch.Generator
    ) -> None:
        super().__init__(shape, settings, dtype, generator)
        out, inputs, *kernel = shape
        rank, size = settings.rank, torch.Size(kernel).numel()
        a, b = factorization(out, self.option("factor"))
        c, d = factorization(inputs, self.option("factor"))

        def uniform(rows: int, columns: int) -> nn.Parameter:
            """As nn.Linear starts, and LyCORIS: uniform up to 1 / sqrt(columns)."""
            values = torch.rand(rows, columns, dtype=dtype, generator=generator)
            return nn.Parameter(values.mul_(2).sub_(1).mul_(columns**-0.5))

        if self.option("decompose_both") and rank < max(a, c) / 2:
            self.lokr_w1_a, self.lokr_w1_b = uniform(a, rank), uniform(rank, c)
        else:
            self.lokr_w1 = uniform(a, c)
        if rank < max(b, d) / 2:
            self.lokr_w2_a = uniform(b, rank)
            self.lokr_w2_b = nn.Parameter(torch.zeros(rank, d * size, dtype=dtype))
        else:
            self.lokr_w2 = nn.Parameter(torch.zeros(b, d, *kernel, dtype=dtype))

    def weight(self, base: Tensor) -> Tensor:
        """base + scaling * kron(w1, w2)."""
        w1 = self.lokr_w1 if hasattr(self, "lokr_w1") else self.lokr_w1_a @ self.lokr_w1_b
        w2 = self.lokr_w2.flatten(1) if hasattr(self, "lokr_w2") else self.lokr_w2_a @ self.lokr_w2_b
        return base + scaling_of(self.settings) * torch.kron(w1, w2).view(self.shape)

    @classmethod
    def check_options(cls, options: Mapping[str, Option]) -> None:
        """The factor is -1 or at least 1."""
        super().check_options(options)
        factor = options.get("factor", -1)
        if factor != -1 and factor < 1:  # type: ignore[operator]
            raise ValueError(f"option factor of lokr is {factor}: give a number of at least 1, or -1.")

    @classmethod
    def part_names(cls) -> tuple[str, ...]:
        """All that there can be; a layer has some of them."""
        return ("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b")

    @classmethod
    def rank_of(cls, tensors: Mapping[str, Tensor]) -> int | None:
        """The columns of w2_a or w1_a, where there is one."""
        first = tensors.get("lokr_w2_a", tensors.get("lokr_w1_a"))
        return None if first is None or first.ndim != 2 else first.shape[1]

    @property
    def saved_settings(self) -> AdapterSettings:
        """PEFT divides alpha by the rank alone."""
        return divided_by_rank(self.settings)

    @classmethod
    def to_peft_config(cls, settings: AdapterSettings) -> dict[str, Any]:
        """`LoKrConfig`'s keys."""
        options = {**cls.defaults, **settings.options}
        return {
            "r": settings.rank,
            "alpha": settings.alpha,
            "decompose_factor": options["factor"],
            "decompose_both": options["decompose_both"],
        }

    @classmethod
    def from_peft_config(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """Rank, alpha and the options."""
        if config.get("use_effective_conv2d"):
            raise ValueError("use_effective_conv2d is not known here: convert the adapter in PEFT.")
        options = {"factor": config.get("decompose_factor", -1)}
        options["decompose_both"] = config.get("decompose_both", False)
        return {"rank": config.get("r", 8), "alpha": config.get("alpha", 8), "options": options}

    def peft_obstacle(self, layer: nn.Module) -> str | None:
        """PEFT convolves with the update by itself, and mixes up the axes of a whole w2 of nn.Conv1d."""
        if isinstance(layer, nn.Conv1d) and hasattr(self, "lokr_w2"):
            return "PEFT mixes up the axes of LoKr's undecomposed w2 on a Conv1d"
        return padding_obstacle(layer)


def factorization(size: int, factor: int = -1) -> tuple[int, int]:
    """Two numbers whose product is `size`, as PEFT chooses them: `factor` first where it divides; otherwise
    the smaller one first, the pair closest to a square whose smaller number is at most `factor` (-1:
    any)."""
    if factor > 0 and size % factor == 0:
        return factor, size // factor
    limit = size if factor == -1 else factor
    smaller = max(one for one in range(1, int(size**0.5) + 1) if size % one == 0 and one <= limit)
    return smaller, size // smaller
