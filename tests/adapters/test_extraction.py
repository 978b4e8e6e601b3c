from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from tests.adapters.networks import perturb, same_bits, small_network, snapshot
from visionlora.adapters import LoraConfig, LoraError, adapted_layers, attach, merge, scale
from visionlora.adapters.extraction import extract, extract_difference, low_rank_factors


def full_network(std: float = 0.1) -> nn.Module:
    torch.manual_seed(0)
    network = attach(small_network(), LoraConfig(family="full"))
    perturb(network, std)
    return network


def test_with_enough_rank_the_extracted_adapter_is_the_whole_difference() -> None:
    network, x = full_network(), torch.randn(2, 3, 9, 9)
    scale(network, 0.5)
    before, expected = snapshot(network), network(x)
    found = extract(network, 100)
    torch.testing.assert_close(network(x), expected, rtol=1e-4, atol=1e-5)
    assert same_bits(before, snapshot(network))
    assert all(one.energy == pytest.approx(1) for one in found.values())
    assert {name: one.rank for name, one in found.items()} == {"0": 8, "3": 8, "4": 12, "7": 5}


def test_the_energy_kept_is_what_the_singular_values_say() -> None:
    network = full_network()
    differences = {name: layer.update().detach() for name, layer in adapted_layers(network).items()}
    found = extract(network, 2)
    for name, layer in adapted_layers(network).items():
        difference, kept = differences[name].flatten(1), layer.update().detach().flatten(1)
        values = torch.linalg.svdvals(difference).square()
        assert found[name].energy == pytest.approx((values[:2].sum() / values.sum()).item(), rel=1e-4)
        lost = (difference - kept).square().sum() / difference.square().sum()
        assert found[name].energy == pytest.approx(1 - lost.item(), rel=1e-4)


@pytest.mark.parametrize("energy", [0.3, 0.9, 1.0])
def test_the_rank_is_the_smallest_that_keeps_the_energy(energy: float) -> None:
    difference = torch.randn(6, 4, 3, dtype=torch.float64)
    factors = low_rank_factors(difference, None, energy)
    assert factors.energy >= energy - 1e-12
    rank = factors.A.shape[0]
    assert rank == 1 or low_rank_factors(difference, rank - 1).energy < energy


def test_two_networks_give_an_adapter_for_what_differs() -> None:
    torch.manual_seed(0)
    base, x = small_network(), torch.randn(2, 3, 9, 9)
    tuned = attach(copy.deepcopy(base), LoraConfig(rank=2, targets=["4", "7"]))
    perturb(tuned)
    expected = merge(tuned)(x)
    found = extract_difference(base, tuned, 2)
    assert list(found) == list(adapted_layers(base)) == ["4", "7"]
    torch.testing.assert_close(base(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({}, "either a rank or the energy"),
        ({"rank": 2, "energy": 0.5}, "either a rank or the energy"),
        ({"rank": 0}, "rank is 0"),
        ({"rank": True}, "rank is True"),
        ({"rank": 2.5}, "rank is 2.5"),
        ({"rank": "2"}, "rank is '2'"),
        ({"energy": 1.5}, "energy is 1.5"),
        ({"energy": float("nan")}, "energy is nan"),
    ],
)
def test_a_wrong_size_is_refused_before_anything_changes(arguments: dict[str, Any], complaint: str) -> None:
    network = full_network()
    with pytest.raises(LoraError, match=complaint):
        extract(network, **arguments)
    assert all(
        one.family == "full" for layer in adapted_layers(network).values() for one in layer.active_adapters()
    )


def test_other_families_and_other_architectures_are_refused() -> None:
    with pytest.raises(LoraError, match="of another family"):
        extract(attach(small_network(), LoraConfig()), 2)
    with pytest.raises(LoraError, match="nothing to extract"):
        network = small_network()
        extract_difference(network, copy.deepcopy(network), 2)
    with pytest.raises(LoraError, match="0: its weight is re-parametrised"):
        two = (nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(2, 3))) for _ in range(2))
        extract_difference(*two, rank=2)
    for value in (float("nan"), float("inf")):
        tuned = small_network()
        nn.init.constant_(tuned[0].weight[0], value)
        with pytest.raises(LoraError, match="0: the difference has values that are NaN or infinite"):
            extract_difference(small_network(), tuned, 2)
    with pytest.raises(LoraError, match="0 is"):
        extract_difference(nn.Sequential(nn.Linear(2, 3)), nn.Sequential(nn.Linear(2, 4)), 2)
    with pytest.raises(LoraError, match="1 is missing"):
        extract_difference(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)), nn.Sequential(nn.Linear(2, 3)), 2)
