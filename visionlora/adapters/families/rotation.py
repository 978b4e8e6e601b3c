"""Orthogonal matrices from skew-symmetric ones, and the sizes of blocks. Shared by OFT and BOFT."""

from __future__ import annotations

import torch
from torch import Tensor


def skew_symmetric(upper: Tensor, size: int) -> Tensor:
    """(..., size, size), with `upper` (..., size * (size - 1) / 2) above the diagonal, row by row."""
    rows, columns = torch.triu_indices(size, size, 1, device=upper.device)
    matrix = upper.new_zeros(*upper.shape[:-1], size, size)
    matrix[..., rows, columns] = upper
    return matrix - matrix.transpose(-1, -2)


def cayley(skew: Tensor) -> Tensor:
    """The orthogonal (I - S)(I + S)^-1 of skew-symmetric S (..., n, n)."""
    identity = torch.eye(skew.shape[-1], dtype=skew.dtype, device=skew.device)
    return torch.linalg.solve(identity + skew, identity - skew, left=False)


def cayley_neumann(skew: Tensor, terms: int) -> Tensor:
    """PEFT's truncated series I + 2 S + 2 S^2 + ... + S^(terms - 1): close to a rotation, not quite one.

    It approximates (I + S)(I - S)^-1, which is cayley(-S), and not PEFT's own exact form. Three terms are
    four.
    """
    identity = torch.eye(skew.shape[-1], dtype=skew.dtype, device=skew.device)
    total, power = identity.expand_as(skew), identity.expand_as(skew)
    last = (4 if terms == 3 else terms) - 1
    for exponent in range(1, last + 1):
        power = power @ skew
        total = total + power * (1.0 if exponent == last and last > 1 else 2.0)
    return total


def block_size(size: int, wanted: int) -> int:
    """The divisor of `size` closest to `wanted`, as `divisor` has it; but not 1, a block that could not turn,
    where there is another."""
    found = divisor(size, wanted)
    return found if found > 1 else next((one for one in range(2, size + 1) if size % one == 0), 1)


def divisor(size: int, wanted: int) -> int:
    """The divisor of `size` closest to `wanted`, the smaller one of two (PEFT's rule)."""
    divisors = (one for one in range(1, size + 1) if size % one == 0)
    return min(divisors, key=lambda one: (abs(one - wanted), one))
