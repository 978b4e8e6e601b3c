"""VeRA: W + diag(b) B diag(d) A with random, frozen A and B (Kopiczko et al. 2024,
https://arxiv.org/abs/2310.11454, equation 2).

A and B are functions of a seed, the rank and the layer's size alone: all layers share the same numbers, as
far as they need them, and no file holds them. Only the vectors b and d are trained and saved; b starts at
zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from visionlora.adapters.base import AdapterSettings, LowRank, Option
from visionlora.adapters.unsaved import HasUnsaved


class Vera(HasUnsaved):
    """VeRA's two vectors and the random matrices.

    Options:
        seed: of the matrices.
        d_initial: where d starts; the paper's 0.1.

    Attributes:
        vera_lambda_b: (out,).
        vera_lambda_d: (r,).
        vera_A: (r, in/groups, kernel...), not saved.
        vera_B: (out, r, 1...), not saved.
    """

    family: ClassVar[str] = "vera"
    unused: ClassVar[tuple[str, ...]] = ("alpha", "rslora", "init_std")
    strength_in: ClassVar[str] = "own"
    lr_factor: ClassVar[float] = 30.0  # at 10 it learned less of the goldfish
    defaults: ClassVar[Mapping[str, Option]] = {"seed": 0, "d_initial": 0.1}
    minima: ClassVar[Mapping[str, float]] = {"seed": 0}
    vera_A: Tensor
    vera_B: Tensor

    def __init__(
        self, shape: Sequence[int], settings: AdapterSettings, dtype: torch.dtype, generator: torch.Generator
    ) -> None:
        super().__init__(shape, settings, dtype, generator)
        rank, initial = settings.rank, float(self.option("d_initial"))
        self.vera_lambda_b = nn.Parameter(torch.zeros(shape[0], dtype=dtype))
        self.vera_lambda_d = nn.Parameter(torch.full((rank,), initial, dtype=dtype))
        self.register_unsaved()

    def unsaved(self) -> dict[str, Tensor]:
        """A and B, Kaiming uniform, as in the paper: standard deviation sqrt(2 / fan-in)."""
        (out, *rest), rank, seed = self.shape, self.settings.rank, self.option("seed")
        fan_in, dtype = torch.Size(rest).numel(), self.vera_lambda_b.dtype
        A = shared_uniform(2 * seed, fan_in, rank).t() * (6 / fan_in) ** 0.5
        B = shared_uniform(2 * seed + 1, out, rank) * (6 / rank) ** 0.5
        ones = (1,) * (len(rest) - 1)
        return {"vera_A": A.to(dtype).reshape(rank, *rest), "vera_B": B.to(dtype).reshape(out, rank, *ones)}

    def factors(self) -> tuple[Tensor, Tensor]:
        """diag(d) A and diag(b) B."""
        d = self.vera_lambda_d.view(-1, *(1,) * (self.vera_A.ndim - 1))
        return d * self.vera_A, self.vera_lambda_b.view(-1, *(1,) * (self.vera_B.ndim - 1)) * self.vera_B

    def weight(self, base: Tensor) -> Tensor:
        """base + diag(b) B diag(d) A."""
        return LowRank(*self.factors(), 1.0).added_to(base)

    def low_rank(self) -> LowRank:
        """diag(d) A, diag(b) B and the strength."""
        return LowRank(*self.factors(), self.strength)

    @classmethod
    def rank_of(cls, tensors: Mapping[str, Tensor]) -> int | None:
        """The length of d."""
        d = tensors.get("vera_lambda_d")
        return None if d is None or d.ndim != 1 else len(d)


def shared_uniform(seed: int, rows: int, rank: int) -> Tensor:
    """Uniform numbers in [-1, 1), (rows, rank): the first rows are the same whatever their number."""
    return torch.rand(rows, rank, generator=torch.Generator().manual_seed(seed)).mul_(2).sub_(1)
