"""Ranks for each layer from what the loss asks of it: `lora.rank=auto`.

A low-rank update of a layer can follow the loss's gradient G (out x in, a kernel unrolled) only in as many
directions as it has. The best r of them, G's first r singular vectors, hold the sum of the r largest squared
singular values of its squared norm (Eckart and Young 1936), and a small step along them lowers the loss in
proportion to that (as LoRA-GA uses it for A and B: Wang et al. 2024, https://arxiv.org/abs/2407.05000,
section 3.1). So the ranks are dealt one at a time, each to the layer whose next direction holds most for the
parameters that it costs, until the parameters of a uniform rank are spent.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from visionlora.adapters.config import LoraError

LARGEST = 4
"""No layer gets more than so many times the uniform rank."""


@dataclass(frozen=True)
class LayerRank:
    """A layer's rank and why.

    Attributes:
        rank: at least 1.
        captured: the share of its gradient's squared norm that so many directions hold.
        energy: its share of the squared norm of all layers' gradients.
    """

    rank: int
    captured: float
    energy: float


def gradients(
    network: nn.Module, names: Iterable[str], losses: Iterable[Callable[[], Tensor]]
) -> dict[str, Tensor]:
    """The mean full gradient of each named layer's weight, (out, in/groups * k...), in single precision.

    Args:
        network: without adapters; its parameters' `requires_grad` is as before afterwards.
        names: its layers.
        losses: calls that compute a scalar through the network.

    Raises:
        LoraError: there is no loss to compute, or it does not depend on a layer.
    """
    weights: dict[str, Tensor] = {name: network.get_parameter(f"{name}.weight") for name in names}
    before = {parameter: parameter.requires_grad for parameter in network.parameters()}
    total = {name: torch.zeros_like(weight, dtype=torch.float32) for name, weight in weights.items()}
    count = 0
    try:
        network.requires_grad_(False)
        for weight in weights.values():
            weight.requires_grad_(True)
        for loss in losses:
            found = torch.autograd.grad(loss(), list(weights.values()), allow_unused=True)
            for name, gradient in zip(weights, found, strict=True):
                if gradient is None:
                    raise LoraError(f"rank auto: the loss does not depend on layer {name}; exclude it.")
                total[name] += gradient
            count += 1
    finally:
        for parameter, wanted in before.items():
            parameter.requires_grad_(wanted)
    if not count:
        raise LoraError("rank auto: there is no batch to compute gradients with.")
    return {name: gradient.flatten(1) / count for name, gradient in total.items()}


def deal_ranks(gradients: Mapping[str, Tensor], rank: int) -> dict[str, LayerRank]:
    """Deal the parameters of a uniform `rank` to layers by their gradients' spectra.

    Args:
        gradients: (out, in/groups * k...) by layer.
        rank: every layer gets at least 1 and at most `LARGEST` times as much.

    Returns:
        A rank for each layer; together at most as many parameters as with `rank` everywhere, where that
        many directions exist.
    """
    spectra = {name: _spectrum(gradient, LARGEST * rank) for name, gradient in gradients.items()}
    prices = {name: sum(gradient.shape) for name, gradient in gradients.items()}
    purse = sum(min(rank, *gradient.shape) * prices[name] for name, gradient in gradients.items())
    ranks = dict.fromkeys(gradients, 1)
    purse -= sum(prices.values())
    offers = [_offer(name, spectra[name], 1, prices[name]) for name in gradients]
    heapq.heapify(offers)
    while offers:
        worth, name = heapq.heappop(offers)
        if worth == math.inf or prices[name] > purse:
            continue  # a cheaper layer may still have room
        ranks[name] += 1
        purse -= prices[name]
        heapq.heappush(offers, _offer(name, spectra[name], ranks[name], prices[name]))
    norms = {name: float(gradient.square().sum()) for name, gradient in gradients.items()}
    whole = sum(norms.values()) or 1.0
    return {
        name: LayerRank(
            ranks[name], sum(spectra[name][: ranks[name]]) / (norms[name] or 1.0), norms[name] / whole
        )
        for name in gradients
    }


def _offer(name: str, spectrum: list[float], rank: int, price: int) -> tuple[float, str]:
    """What the next direction holds for its price, negated; infinite where there is none."""
    return (-spectrum[rank] / price if rank < len(spectrum) else math.inf), name


def _spectrum(gradient: Tensor, most: int) -> list[float]:
    """The largest squared singular values, at most `most` of them, in descending order."""
    smaller = gradient if gradient.shape[0] <= gradient.shape[1] else gradient.t()
    values = torch.linalg.eigvalsh((smaller @ smaller.t()).double())
    return values.clamp(min=0).flip(0)[:most].tolist()
