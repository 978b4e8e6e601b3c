"""What a start is."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Start(NamedTuple):
    """Values of A and B to start from.

    Attributes:
        A: (r, in/groups, kernel...).
        B: (out, r, 1...), with as many dimensions; None: zero.
    """

    A: Tensor
    B: Tensor | None = None


def from_matrices(A: Tensor, B: Tensor | None, base: Tensor) -> Start:
    """A (r, in/groups * kernel...) and B (out, r) in the shapes that a weight like `base` asks for."""
    ones = (1,) * (base.ndim - 2)
    A = A.to(base.dtype).reshape(-1, *base.shape[1:])
    return Start(A, None if B is None else B.to(base.dtype).reshape(base.shape[0], -1, *ones))
