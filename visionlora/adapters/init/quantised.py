"""Starts that make up for the error of a quantised base: LoftQ (Li et al. 2023,
https://arxiv.org/abs/2310.08659, algorithm 1) and PiSSA (Meng et al. 2024, https://arxiv.org/abs/2404.02948,
section 4, QPiSSA).

LoftQ alternates: Q quantises W - B A, and B A is the best low-rank approximation of W - Q. PiSSA takes the
principal directions out of the weight, so that only the smaller rest is rounded. Both papers start the
adapter at B A beside Q. Here B A is a part of the frozen base, in half precision, and the adapter, which
starts at B A too, is counted from there, which is the same function: (Q + B_0 A_0) + (B A - B_0 A_0). So the
frozen network, to which a strength of 0 leads back and which teaches, is the corrected one. Of LoftQ's rounds
the best one counts; PEFT, which needs a GPU for it, takes the last.
"""

from __future__ import annotations

import torch
from torch import Tensor

from visionlora.adapters.base import AdapterSettings, scaling_of
from visionlora.adapters.init.random import gaussian
from visionlora.adapters.init.start import Start, from_matrices
from visionlora.frozen.packed import PackedWeight
from visionlora.frozen.quantised import Correction, Factors, pack, relative_error

ABSORBING = ("loftq", "pissa")
"""Starts that make up for the error."""
ROUNDS = 5
"""Of LoftQ's alternation, as in the paper; the best one counts."""
_EXACT = 512
"""A matrix with a side of at most this is decomposed exactly, larger ones by random projection."""


@torch.no_grad()
def correction(weight: Tensor, scheme: str, init: str, rank: int) -> Correction:
    """What makes up for the error of quantising a weight.

    Args:
        weight: (out, in/groups, kernel...), as it is rounded.
        scheme: "nf4" or "int8".
        init: one of `ABSORBING`.
        rank: of the correction, or the matrix' own.
    """
    if init == "pissa":
        principal = _factors(weight, rank)
        return Correction(principal, principal)
    best: tuple[float, Correction] | None = None
    subtracted: Factors | None = None
    for _ in range(ROUNDS):
        rest = weight if subtracted is None else _minus(weight, subtracted.product())
        added = _factors(weight - pack(rest, scheme).dense(), rank)
        found = Correction(subtracted, added)
        error = relative_error(weight, pack(weight, scheme, correction=found))
        if best is None or error < best[0]:
            best = error, found
        subtracted = added
    assert best is not None
    return best[1]


def loftq(base: Tensor, settings: AdapterSettings, generator: torch.Generator) -> Start:
    """The start of a layer that is not quantised: there is no error, so A is Gaussian and B zero."""
    return gaussian(base, settings, generator)


def start_at_correction(
    base: Tensor, weight: PackedWeight, settings: AdapterSettings, generator: torch.Generator
) -> Start:
    """A and B whose product is the correction of a quantised weight; rows beyond its rank are Gaussian.

    Args:
        base: the weight, dense, (out, in/groups, kernel...).
        weight: the same, quantised.
        settings: of the adapter, of at least the correction's rank.
        generator: draws further rows.
    """
    found = weight.parts["added_A"].flatten(1).to(base.dtype).cpu()
    own = weight.parts["added_B"].to(base.dtype).cpu() / scaling_of(settings)
    if "rows" in weight.parts:
        own = own * weight.parts["rows"].to(base.dtype).cpu()[:, None]
    A = gaussian(base, settings, generator).A.flatten(1)
    B = base.new_zeros(base.shape[0], settings.rank)
    A[: len(found)], B[:, : len(found)] = found, own
    return from_matrices(A, B, base)


def _factors(matrix: Tensor, rank: int) -> Factors:
    """The best approximation of that rank, its singular values shared equally by both factors."""
    flat = matrix.flatten(1)
    rank = min(rank, *flat.shape)
    if min(flat.shape) <= _EXACT:
        U, S, Vh = torch.linalg.svd(flat, full_matrices=False)
    else:
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(0)
            U, S, V = torch.svd_lowrank(flat, q=min(rank + 16, *flat.shape), niter=4)
            Vh = V.t()
    root = S[:rank].sqrt()
    A = (root[:, None] * Vh[:rank]).view(rank, *matrix.shape[1:])
    return Factors(A.half(), (U[:, :rank] * root).half())


def _minus(weight: Tensor, product: Tensor) -> Tensor:
    return (weight.double() - product.view(weight.shape)).float()
