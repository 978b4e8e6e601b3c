"""Low-rank products of another rank: the best approximation, without ever forming the product.

B = Q R and A^T = P S (QR decompositions) give B A = Q (R S^T) P^T, so the singular value decomposition of the
small R S^T is that of B A. Its cost is that of the ranks, not of the weight.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from visionlora.adapters.base import LowRank

_LARGE = 4 * 2**20
"""Numbers of a matrix that is decomposed in single precision."""


class Recompressed(NamedTuple):
    """A (r, in/groups, kernel...) and B (out, r, 1...) with a scaling of 1.

    Attributes:
        energy: share of the squared norm that they hold, 0 to 1.
        norm: of the whole update.
    """

    A: Tensor
    B: Tensor
    energy: float
    norm: float


def recompressed(update: LowRank, rank: int | None = None) -> Recompressed:
    """The best approximation of scaling * B A (Eckart and Young 1936).

    Args:
        update: of any rank.
        rank: of the result; None: the numerical rank, which loses nothing but rounding.
    """
    dtype = torch.float64
    A, B = update.A.flatten(1).to(dtype), update.scaling * update.B.flatten(1).to(dtype)
    Q, R = torch.linalg.qr(B)
    P, S = torch.linalg.qr(A.t())
    U, values, Vh = torch.linalg.svd(R @ S.t(), full_matrices=False)
    return _cut(Q @ U, values, Vh @ P.t(), rank, update.A)


def factored(difference: Tensor, rank: int | None = None) -> Recompressed:
    """The same of a whole difference (out, in/groups, kernel...)."""
    # The decomposition of a large matrix in double precision takes minutes.
    dtype = (
        torch.float64
        if difference.numel() <= _LARGE
        else torch.promote_types(difference.dtype, torch.float32)
    )
    U, values, Vh = torch.linalg.svd(difference.flatten(1).to(dtype), full_matrices=False)
    return _cut(U, values, Vh, rank, difference)


def _cut(U: Tensor, values: Tensor, Vh: Tensor, rank: int | None, like: Tensor) -> Recompressed:
    """The first `rank` singular triplets, in the type and shape of `like` (n, in/groups, kernel...)."""
    squares = values.square()
    total = float(squares.sum())
    smallest = torch.finfo(like.dtype).eps * max(len(U), Vh.shape[1]) * values[:1].sum()
    full = max(1, int((values > smallest).sum()))
    rank = full if rank is None else min(rank, full)
    root = values[:rank].sqrt()
    A = (root[:, None] * Vh[:rank]).to(like.dtype).reshape(rank, *like.shape[1:])
    B = (U[:, :rank] * root).to(like.dtype).reshape(-1, rank, *(1,) * (like.ndim - 2))
    energy = float(squares[:rank].sum()) / total if total > 0 else 1.0
    return Recompressed(A, B, energy, total**0.5)
