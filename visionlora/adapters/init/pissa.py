"""PiSSA: A and B start as the weight's principal singular directions (Meng et al. 2024,
https://arxiv.org/abs/2404.02948, equations 2 and 3).

With W = U S V^T: B = U_r sqrt(S_r) and A = sqrt(S_r) V_r^T. The paper puts the rest, W - B A, in the place
of the frozen weight. Here the frozen weight stays bit for bit and the starting product is subtracted from
the update, which is the same function: W + (B A - B_0 A_0).
"""

from __future__ import annotations

import torch
from torch import Tensor

from visionlora.adapters.base import AdapterSettings, scaling_of
from visionlora.adapters.init.start import Start, from_matrices


def pissa(base: Tensor, settings: AdapterSettings, generator: torch.Generator) -> Start:
    """The r largest singular values and vectors, such that scaling * B @ A is the best approximation of the
    weight of that rank; directions beyond the weight's rank are zero in B and random in A."""
    U, S, Vh = torch.linalg.svd(base.flatten(1), full_matrices=False)
    rank, found = settings.rank, min(settings.rank, len(S))
    root = (S[:found] / scaling_of(settings)).sqrt()
    A = torch.randn(rank, Vh.shape[1], dtype=base.dtype, generator=generator).mul_(Vh.shape[1] ** -0.5)
    B = base.new_zeros(base.shape[0], rank)
    A[:found], B[:, :found] = root[:, None] * Vh[:found], U[:, :found] * root
    return from_matrices(A, B, base)
