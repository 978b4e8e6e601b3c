"""The singular values of what adapters learned, and the network with updates of a lower rank.

The best approximation of a matrix by one of rank r keeps its r largest singular values (Eckart and Young
1936). So one decomposition of each layer's update tells for every rank how much of it would be left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from visionlora.adapters.errors import LoraError
from visionlora.adapters.layers import AdaptedLayer
from visionlora.adapters.network import adapted_layers
from visionlora.adapters.sites import WeightSite, site_name


class Decomposition(NamedTuple):
    """The singular value decomposition of an update, as an (out, in/groups * kernel) matrix.

    Attributes:
        U: (out, r), orthonormal columns.
        S: (r,), descending, those that rounding alone makes left out.
        Vh: (r, in/groups * kernel), orthonormal rows.
    """

    U: Tensor
    S: Tensor
    Vh: Tensor

    @property
    def rank(self) -> int:
        """Of the update."""
        return len(self.S)

    def energy(self, rank: int) -> float:
        """The sum of the first `rank` squared singular values."""
        return float(self.S[:rank].double().square().sum())

    def rank_for(self, share: float) -> int:
        """The smallest rank that holds this share of the squared norm; 0 for an update of zero."""
        held = self.S.double().square().cumsum(0)
        if not len(held):
            return 0
        # At a share of 1 rounding must not ask for more than there is.
        return min(len(held), 1 + int((held < share * held[-1]).sum()))


def decompose_updates(model: nn.Module) -> dict[str, Decomposition]:
    """The decomposed update of every adapted weight, strengths included, by its full name.

    Raises:
        LoraError: an active adapter is a module of its own (Conv-Adapter, a prompt, biases) and changes no
            weight.
    """
    found = {}
    for name, layer in adapted_layers(model).items():
        for adapter in layer.module_adapters():
            raise LoraError(
                f"{name}: {adapter.family} is a module of its own and not an update of a weight, so it has "
                "no rank: take an adapter of another family."
            )
        training = layer.adapters.training
        layer.adapters.eval()  # a rank that DyLoRA drew for one step is not the adapter's
        with torch.no_grad():
            for site in layer.sites:
                if layer.weight_adapters(site.part):
                    found[site_name(name, site)] = _decomposed(layer, site)
        layer.adapters.train(training)
    return found


def _decomposed(layer: AdaptedLayer, site: WeightSite) -> Decomposition:
    low_rank = layer.low_rank(site.part)
    if low_rank is None:
        base = layer.frozen_weight.dense(layer._exact)
        parts = torch.linalg.svd(layer.update_of(site, base).flatten(1), full_matrices=False)
        size = base.numel() ** 0.5
    else:
        # Of the small matrix between orthonormal bases: a VGG's first linear layer has 100 million weights.
        A, B = (tensor.to(layer._exact).flatten(1) for tensor in low_rank[:2])
        Q, R = torch.linalg.qr(B * low_rank.scaling)
        P, T = torch.linalg.qr(A.T)
        U, S, Vh = torch.linalg.svd(R @ T.T, full_matrices=False)
        parts, size = (Q @ U, S, Vh @ P.T), max(A.shape[1], len(B))
    U, S, Vh = parts
    least = float(S[0]) * size * torch.finfo(S.dtype).eps if len(S) else 0.0
    rank = int((least < S).sum())
    return Decomposition(U[:, :rank], S[:rank], Vh[:rank])


@contextmanager
def truncated(model: nn.Module, updates: Mapping[str, Decomposition], rank: int) -> Iterator[None]:
    """Inside, each adapted layer computes with its frozen weight and the best approximation of its update of
    this rank; 0: none of it. As in `merged`, nothing of the network changes.

    Args:
        model: an adapted network, as it was decomposed.
        updates: what `decompose_updates` gave.
        rank: 0 or more.
    """
    layers = adapted_layers(model)
    before = {name: layer.merged_weight for name, layer in layers.items()}
    try:
        for name, layer in layers.items():
            with torch.no_grad():
                layer.merged_weight = _truncated_weight(name, layer, updates, rank)
        yield
    finally:
        for name, layer in layers.items():
            layer.merged_weight = before[name]


def _truncated_weight(
    name: str, layer: AdaptedLayer, updates: Mapping[str, Decomposition], rank: int
) -> Tensor:
    base = layer.frozen_weight.dense(layer._exact)
    views = []
    for site in layer.sites:
        view = site.view(base)
        found = updates.get(site_name(name, site))
        if found is not None:
            U, S, Vh = found
            view = view + ((U[:, :rank] * S[:rank]) @ Vh[:rank]).reshape(view.shape)
        views.append(view)
    return layer.joined(views).to(layer.frozen_weight.dtype)
