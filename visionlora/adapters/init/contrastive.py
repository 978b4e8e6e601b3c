"""Starts of A at the directions that new images use most relative to known ones: generalised eigenvectors."""

from __future__ import annotations

import torch
from torch import Tensor

from visionlora.adapters.base import AdapterSettings
from visionlora.adapters.init.from_data import TooFewDirections, check_rows
from visionlora.adapters.init.start import Start, from_matrices

MOST_COLUMNS, ROWS_OF_WIDE = 1024, 256
"""Layers with more columns are compared in the span of so many rows of each kind: what eigenvectors cost
grows with the third power of the columns."""

DAMPING = 0.03
"""That share of their mean diagonal is added to known inputs' second moments: otherwise directions that
hardly any input has would win."""


def contrastive(base: Tensor, settings: AdapterSettings, inputs: Tensor, others: Tensor) -> Start:
    """A starts at the directions in which these inputs have the most energy relative to others, B at zero.

    With C and D the second moments of the two, they are the r generalised eigenvectors of (C, D) with the
    largest eigenvalues: those v that maximise v'Cv / v'Dv. (With the difference instead of the ratio that is
    the contrastive PCA of Abid et al. 2018, https://arxiv.org/abs/1709.06716, section 2.) What A reads then
    tells new inputs from known ones, so training changes little of what the network computes for the known
    ones. Rows have length 1, as Gaussian ones have on average.

    Args:
        base, settings, inputs: as `from_data.eva` has them: inputs to learn.
        others: (m, in/groups * kernel...), known inputs.

    Raises:
        TooFewDirections: there are fewer inputs or columns than the rank.
    """
    check_rows(inputs, base, settings.rank)
    wide, known = inputs.double(), others.double()
    if wide.shape[1] > MOST_COLUMNS:
        most = max(settings.rank, ROWS_OF_WIDE)
        wide, known = _spread(wide, most), _spread(known, most)
    least = DAMPING * known.square().sum() / known.numel()
    basis = None
    if wide.shape[1] > len(wide) + len(known):  # the vectors lie in the span of all rows
        basis = torch.linalg.qr(torch.cat([wide, known]).t()).Q
        wide, known = wide @ basis, known @ basis
    root = _damped_root(known.t() @ known / len(known), least)
    whitened = torch.linalg.solve_triangular(root, wide.t(), upper=False)
    A = _leading(whitened @ whitened.t(), root, settings.rank)
    return from_matrices(A if basis is None else A @ basis.t(), None, base)


def aligned(
    base: Tensor,
    settings: AdapterSettings,
    agreement: Tensor,
    cost: Tensor | None,
    basis: Tensor | None = None,
) -> Start:
    """A starts where a step on one image lowers another image's loss most, relative to how far it moves the
    network's outputs for known images; B at zero.

    With the weight's gradients G of one image and H of another, a gradient step of size e moves B from zero
    to -e G A', so the other image's loss falls by e tr(A G'H A'), to first order: MAML's step (Finn et al.
    2017, https://arxiv.org/abs/1703.03400, equation 1) from B = 0. How far outputs for known images move, in
    KL divergence and to second order, grows with tr(A D A'): D is the mean of K'K, K the gradient for a label
    drawn from what the network predicts (the Fisher information, as in natural gradients: Amari 1998,
    https://doi.org/10.1162/089976698300017746). The rows of A are the generalised eigenvectors of (C, D) with
    the largest eigenvalues, C the mean of (G'H + H'G) / 2 over pairs of images, each of length 1.

    Args:
        base, settings: as `from_data.eva` has them.
        agreement: mean of (G'H + H'G) / 2 over pairs of images, (columns, columns), symmetric.
        cost: D, (columns, columns); None: the identity.
        basis: (in/groups * kernel..., columns) with orthonormal columns that both are in; None: the weight's
            own columns.

    Raises:
        TooFewDirections: there are fewer columns than the rank.
    """
    matrix = agreement.double()
    if len(matrix) < settings.rank:
        raise TooFewDirections(f"{len(matrix)} columns are too few for rank {settings.rank}: give less rank.")
    moment = torch.eye(len(matrix)).to(matrix) if cost is None else cost.double()
    root = _damped_root(moment, DAMPING * moment.diagonal().mean())
    half = torch.linalg.solve_triangular(root, matrix, upper=False)
    whitened = torch.linalg.solve_triangular(root, half.t(), upper=False)
    A = _leading(whitened, root, settings.rank)
    return from_matrices(A if basis is None else A @ basis.t(), None, base)


def common_basis(inputs: Tensor, others: Tensor | None) -> Tensor | None:
    """An orthonormal basis (in/groups * kernel..., columns) of some rows of both, where a layer has more than
    `MOST_COLUMNS`; None: it has no more, and needs none."""
    if inputs.shape[1] <= MOST_COLUMNS:
        return None
    kinds = [inputs] if others is None else [inputs, others]
    return torch.linalg.qr(torch.cat([_spread(one.double(), ROWS_OF_WIDE) for one in kinds]).t()).Q


def _damped_root(moment: Tensor, least: Tensor) -> Tensor:
    """Cholesky's factor of second moments, with so much added to each diagonal element."""
    damped = moment.clone()
    damped.diagonal().add_(least.clamp_min(torch.finfo(torch.float64).tiny))
    return torch.linalg.cholesky(damped)


def _leading(whitened: Tensor, root: Tensor, rank: int) -> Tensor:
    """The generalised eigenvectors with the largest eigenvalues, as rows of length 1."""
    vectors = torch.linalg.eigh(whitened).eigenvectors[:, -rank:]
    A = torch.linalg.solve_triangular(root.t(), vectors, upper=True).t()
    return A / A.norm(dim=1, keepdim=True)


def _spread(rows: Tensor, most: int) -> Tensor:
    """At most so many of the rows, evenly."""
    if len(rows) <= most:
        return rows
    return rows[torch.linspace(0, len(rows) - 1, most).round().long()]
