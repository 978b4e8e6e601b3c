"""``lora.rank=auto``: each layer's rank by what the training images ask of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from itertools import islice
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from visionlora.adapters import LoraConfig
from visionlora.adapters.config import exactly, matches
from visionlora.adapters.ranks import LayerRank, deal_ranks, gradients
from visionlora.adapters.targets import chosen_layers
from visionlora.data import ImageLoader
from visionlora.errors import VisionLoraError
from visionlora.settings import build

BATCHES = 4
"""Training batches whose gradients are looked at."""


def read_lora(settings: Mapping[str, Any]) -> tuple[LoraConfig, bool]:
    """The adapters as configured, and whether their ranks are to be dealt: then ``rank`` is the budget.

    Raises:
        VisionLoraError: a setting is wrong.
    """
    given = dict(settings)
    budget, automatic = given.pop("rank_budget"), given["rank"] == "auto"
    if automatic:
        if isinstance(budget, bool) or not isinstance(budget, int) or budget < 1:
            raise VisionLoraError(f"lora.rank_budget is {budget!r}; give a whole number of at least 1")
        given["rank"] = budget
    return build(LoraConfig, given, "lora"), automatic


def deal(
    network: nn.Module, lora: LoraConfig, loader: ImageLoader
) -> tuple[LoraConfig, dict[str, LayerRank]]:
    """The configuration with a rank for each layer, and why; what ``lora.rank_pattern`` says stays.

    Every layer's update keeps its factor alpha / rank.

    Args:
        network: without adapters, in eval mode on the CPU.
        lora: ``rank`` is the uniform rank whose parameters are dealt.
        loader: the training images.
    """
    names = [
        name
        for name in chosen_layers(network, lora.targets, lora.exclude)
        if not any(matches(pattern, name) for pattern in lora.rank_pattern)
    ]
    if not names:
        return lora, {}
    losses = (partial(_loss, network, batch["images"], batch["labels"]) for batch in islice(loader, BATCHES))
    dealt = deal_ranks(gradients(network, names, losses), lora.rank)
    ranks = {exactly(name): layer.rank for name, layer in dealt.items()}
    alphas = {name: lora.alpha * rank / lora.rank for name, rank in ranks.items()}
    config = replace(
        lora,
        rank_pattern={**lora.rank_pattern, **ranks},
        alpha_pattern={**lora.alpha_pattern, **alphas},
    )
    return config, dealt


def why(dealt: Mapping[str, LayerRank], budget: int) -> str:
    """The ranks in a sentence."""
    ranks = sorted(layer.rank for layer in dealt.values())
    first = sorted(dealt, key=lambda name: -dealt[name].rank)[:3]
    most = ", ".join(f"{name} {dealt[name].rank} ({dealt[name].energy:.0%} of it)" for name in first)
    held = sum(layer.captured * layer.energy for layer in dealt.values())
    return (
        f"lora.rank=auto: {ranks[0]} to {ranks[-1]} (median {ranks[len(ranks) // 2]}), for the parameters of "
        f"rank {budget} everywhere; they hold {held:.0%} of the gradient's squared norm; most: {most}"
    )


def as_record(dealt: Mapping[str, LayerRank]) -> dict[str, dict[str, float]]:
    """For ``metrics.json``."""
    return {name: asdict(layer) for name, layer in dealt.items()}


def _loss(network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(network(images).float(), labels)
