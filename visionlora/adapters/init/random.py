"""Random starts: B is zero, so the update is."""

from __future__ import annotations

import torch
from torch import Tensor

from visionlora.adapters.base import AdapterSettings
from visionlora.adapters.init.start import Start, from_matrices


def gaussian(base: Tensor, settings: AdapterSettings, generator: torch.Generator) -> Start:
    """A from N(0, init_std^2), by default N(0, 1 / fan-in) (Hu et al. 2021, section 4.1)."""
    std = settings.init_std or base[0].numel() ** -0.5
    shape = (settings.rank, *base.shape[1:])
    return Start(torch.randn(shape, dtype=base.dtype, generator=generator).mul_(std))


def orthogonal(base: Tensor, settings: AdapterSettings, generator: torch.Generator) -> Start:
    """A with orthogonal rows of norm init_std * sqrt(fan-in), by default 1: each A starts with as much weight
    in every direction as it can.

    More rows than columns can't all be orthogonal; then the columns are.
    """
    fan_in = base[0].numel()
    tall = max(settings.rank, fan_in), min(settings.rank, fan_in)
    square = torch.randn(tall, dtype=base.dtype, generator=generator)
    Q, R = torch.linalg.qr(square)
    Q = Q * R.diagonal().sign()  # makes the distribution uniform (Mezzadri 2007)
    A = Q.t() if settings.rank <= fan_in else Q
    norm = 1.0 if settings.init_std is None else settings.init_std * fan_in**0.5
    return from_matrices(A * norm, None, base)
