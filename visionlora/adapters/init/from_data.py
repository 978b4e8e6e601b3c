"""Starts of A and B that need data: functions of a layer's inputs or of its weight's gradient.

`collect.layer_inputs` and `collect.weight_gradients` give those for a whole network, `set_starts` puts the
results into its adapters. Inputs are the rows of a matrix (n, in/groups * kernel...): every patch that the
kernel sees is one row, and each group of a grouped convolution has rows of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor

from visionlora.adapters.base import AdapterSettings, scaling_of
from visionlora.adapters.init.start import Start, from_matrices


class TooFewDirections(ValueError):
    """A layer's inputs have fewer directions than the rank."""


def eva(base: Tensor, settings: AdapterSettings, inputs: Tensor) -> Start:
    """EVA: A starts at the inputs' right singular vectors, B at zero (Paischer et al. 2024,
    https://arxiv.org/abs/2410.07170, section 3.2).

    The inputs count as they are, since that is what the weight multiplies. PEFT subtracts their mean first;
    with inputs around zero both start at the same directions.

    Args:
        base: the frozen weight, (out, in/groups, kernel...).
        settings: of the layer's adapter.
        inputs: (n, in/groups * kernel...), n at least the rank.

    Raises:
        TooFewDirections: there are fewer inputs or columns than the rank.
    """
    check_rows(inputs, base, settings.rank)
    return from_matrices(_right_vectors(inputs)[1][: settings.rank], None, base)


def redistribute_ranks(inputs: Mapping[str, Tensor], rank: int, rho: float = 2.0) -> dict[str, int]:
    """EVA's ranks: the mean is at most `rank`, and layers whose inputs have more variance in their leading
    directions have more (section 3.3).

    Every layer keeps a rank of at least 1, where PEFT may leave a layer without an adapter. The result is a
    `rank_pattern` once its names are patterns (`patterns.exactly`).

    Args:
        inputs: by layer, (n, in/groups * kernel...).
        rank: the mean.
        rho: no layer gets more than `rho * rank`.
    """
    shares = []
    ranks = dict.fromkeys(inputs, 1)
    for name, rows in inputs.items():
        variance = _right_vectors(rows)[0].square()
        explained = (variance / variance.sum().clamp_min(torch.finfo(variance.dtype).tiny)).tolist()
        shares += [(share, name) for share in explained[1 : max(1, int(rho * rank))]]
    shares.sort(key=lambda one: -one[0])  # stable: equal shares in the order of the layers
    for _, name in shares[: rank * len(inputs) - len(inputs)]:
        ranks[name] += 1
    return ranks


def corda(
    base: Tensor,
    settings: AdapterSettings,
    inputs: Tensor,
    mode: Literal["keep", "learn"] = "keep",
) -> Start:
    """CorDA: B A starts at the part of the weight that matters least (or most) for these inputs (Yang et al.
    2024, https://arxiv.org/abs/2406.05223, section 3).

    With C the inputs' covariance and W C = U S V^T, the weight is U S (V^T C^-1). PEFT adds a hundredth of
    C's mean diagonal to it in any case, here it is added where C can't be inverted, as in the paper; and it
    divides the inputs by their maximum, which leaves B A the same and shares its length otherwise.

    Args:
        base, settings, inputs: as `eva` has them.
        mode: "keep" takes the r smallest singular values, so that what these inputs need stays; "learn" the
            largest, to adapt to them.
    """
    matrix, wide = base.flatten(1).double(), inputs.double()
    weighed, solve = _covariance(matrix, wide)
    U, S, Vh = torch.linalg.svd(weighed, full_matrices=False)
    found = min(settings.rank, len(S))
    chosen = slice(len(S) - found, None) if mode == "keep" else slice(0, found)
    root = (S[chosen] / scaling_of(settings)).sqrt()
    A = root[:, None] * solve(Vh[chosen])
    return _padded(A, U[:, chosen] * root, base, settings.rank)


def _covariance(matrix: Tensor, wide: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """The matrix times the covariance C of these inputs, and what multiplies rows with C's inverse.

    C gets a thousandth of its mean diagonal, and ever more as long as it can't be inverted (the paper's).
    """
    damping, (rows, columns) = 1e-3, wide.shape
    mean = float(wide.square().mean()) or 1.0  # of C's diagonal; inputs that are all zero weigh all alike
    if rows < columns:  # C = V diag(d) V^T has no inverse: damped once, it is d + e on V and e elsewhere
        singular, Vh = _right_vectors(wide)
        d, e = singular.square() / rows, damping * mean
        weighed = matrix @ Vh.t() * d @ Vh + e * matrix
        return weighed, lambda given: given @ Vh.t() * (1 / (d + e) - 1 / e) @ Vh + given / e
    covariance = wide.t() @ wide / rows
    identity = torch.eye(columns, dtype=torch.float64, device=covariance.device)
    while not _invertible(covariance, identity):
        covariance = covariance + damping * mean * identity
        damping *= 2
    return matrix @ covariance, lambda given: torch.linalg.solve(covariance, given, left=False)


def lora_null(base: Tensor, settings: AdapterSettings, inputs: Tensor) -> Start:
    """LoRA-Null: B A starts at the weight's projection onto the directions that these inputs hardly have
    (Tang et al. 2025, https://arxiv.org/abs/2503.02659, section 4).

    Those are the r right singular vectors with the smallest singular values; B A = W N N^T with N of these
    columns. What A reads then says next to nothing about the inputs, so training changes little for them.

    Args:
        base, settings, inputs: as `eva` has them.
    """
    matrix, wide = base.flatten(1).double(), inputs.double()
    null = _least_directions(wide, settings.rank)
    U, S, Vh = torch.linalg.svd(matrix @ null, full_matrices=False)
    root = (S / scaling_of(settings)).sqrt()
    return _padded(root[:, None] * (Vh @ null.t()), U * root, base, settings.rank)


def _least_directions(wide: Tensor, rank: int) -> Tensor:
    """The right singular vectors with the smallest singular values, (columns, rank): random ones of those
    that the rows lack, where they are enough."""
    if len(wide) + rank > wide.shape[1]:
        return torch.linalg.eigh(wide.t() @ wide).eigenvectors[:, :rank]  # in ascending order
    spanned = torch.linalg.qr(wide.t()).Q
    found = torch.randn(wide.shape[1], rank, generator=torch.Generator().manual_seed(0)).to(wide)
    for _ in range(2):  # twice, to be orthogonal to rounding
        found = torch.linalg.qr(found - spanned @ (spanned.t() @ found)).Q
    return found


def lora_ga(base: Tensor, settings: AdapterSettings, gradient: Tensor) -> Start:
    """LoRA-GA: A and B start so that the first step goes where full fine-tuning would go (Wang et al. 2024,
    https://arxiv.org/abs/2407.05000, algorithm 1).

    With the gradient U S V^T: A = c V_1..r^T and B = c U_r+1..2r, c = out^(1/4) / sqrt(16), where
    16 is the paper's gamma. PEFT leaves A at length 1 and multiplies each column of B by its singular value.
    A layer whose gradient has fewer than 2r directions uses the last r columns of U.

    Args:
        base, settings: as `eva` has them.
        gradient: of the loss, in the shape of the weight.
    """
    U, _, Vh = torch.linalg.svd(gradient.flatten(1).double(), full_matrices=False)
    rank, out = min(settings.rank, len(Vh)), base.shape[0]
    last = min(2 * rank, U.shape[1])
    factor = out**0.25 / 4
    return _padded(factor * Vh[:rank], factor * U[:, last - rank : last], base, settings.rank)


def _right_vectors(inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Singular values (largest first) and right singular vectors as rows."""
    _, S, Vh = torch.linalg.svd(inputs.double(), full_matrices=False)
    return S, Vh


def check_rows(inputs: Tensor, base: Tensor, rank: int) -> None:
    """Check that inputs are rows of the weight's columns, with as many directions as the rank.

    Raises:
        ValueError: their shape is another.
        TooFewDirections: there are fewer inputs or columns than the rank.
    """
    columns = base[0].numel()
    if inputs.ndim != 2 or inputs.shape[1] != columns:
        raise ValueError(f"inputs are {tuple(inputs.shape)}: give rows of {columns} numbers.")
    if min(inputs.shape) < rank:
        raise TooFewDirections(
            f"{min(inputs.shape)} directions are too few for rank {rank}: give more inputs or less rank."
        )


def _invertible(covariance: Tensor, identity: Tensor) -> bool:
    """Whether the inverse is one, to 5 % of the identity's norm (the paper's criterion)."""
    inverse, info = torch.linalg.inv_ex(covariance)
    if int(info) or not bool(inverse.isfinite().all()):
        return False
    return float((covariance @ inverse - identity).norm()) < 0.05


def _padded(A: Tensor, B: Tensor, base: Tensor, rank: int) -> Start:
    """With rows of A and columns of B that are zero where the layer has fewer directions than the rank.

    Both zero could never learn, so the rows of A repeat its first ones there.
    """
    missing = rank - A.shape[0]
    if missing:
        A = torch.cat([A, A[torch.arange(missing) % A.shape[0]]])
        B = torch.cat([B, B.new_zeros(B.shape[0], missing)], dim=1)
    return from_matrices(A, B, base)
