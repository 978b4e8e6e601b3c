"""Ranks dealt by the gradients' spectra."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from visionlora.adapters import LoraError
from visionlora.adapters.ranks import LARGEST, deal_ranks, gradients

shapes = st.lists(st.tuples(st.integers(1, 24), st.integers(1, 40)), min_size=1, max_size=6)


def of_rank(rank: int, out: int, width: int, size: float = 1.0) -> Tensor:
    return size * torch.randn(out, rank) @ torch.randn(rank, width)


@settings(deadline=None)
@given(shapes, st.integers(1, 8), st.integers(0, 1000))
def test_no_more_parameters_are_dealt_than_a_uniform_rank_has(
    sizes: list[tuple[int, int]], rank: int, seed: int
) -> None:
    torch.manual_seed(seed)
    found = {f"layer{place}": torch.randn(*size) for place, size in enumerate(sizes)}
    dealt = deal_ranks(found, rank)
    price = {name: sum(gradient.shape) for name, gradient in found.items()}
    spent = sum(layer.rank * price[name] for name, layer in dealt.items())
    assert spent <= sum(min(rank, *gradient.shape) * price[name] for name, gradient in found.items())
    for name, layer in dealt.items():
        assert 1 <= layer.rank <= min(LARGEST * rank, *found[name].shape)
        assert 0 <= layer.captured <= 1 + 1e-4
    assert sum(layer.energy for layer in dealt.values()) == pytest.approx(1)


def test_a_layer_with_one_direction_gives_its_parameters_to_one_with_many() -> None:
    torch.manual_seed(0)
    dealt = deal_ranks({"one": of_rank(1, 30, 30), "many": of_rank(30, 30, 30)}, 4)
    assert dealt["one"].rank <= 2  # rounding leaves a shadow of a second direction
    assert dealt["many"].rank >= 6
    assert dealt["one"].captured == pytest.approx(1, abs=1e-4)


def test_a_layer_that_the_loss_asks_more_of_gets_more() -> None:
    torch.manual_seed(0)
    dealt = deal_ranks({"calm": of_rank(20, 20, 20, 0.1), "busy": of_rank(20, 20, 20)}, 4)
    assert dealt["busy"].rank == 7
    assert dealt["calm"].rank == 1


def test_gradients_are_those_of_autograd_and_leave_the_network_alone() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 36, 2))
    network[2].bias.requires_grad_(False)
    images = torch.randn(2, 5, 3, 8, 8)
    found = gradients(network, ["0", "2"], [lambda p=p: network(p).square().mean() for p in images])
    for name in ("0", "2"):
        weight = network.get_submodule(name).weight
        ones = [torch.autograd.grad(network(p).square().mean(), weight)[0] for p in images]
        torch.testing.assert_close(found[name], (sum(ones) / 2).flatten(1))
    assert [p.requires_grad for p in network.parameters()] == [True, True, True, False]


def test_a_loss_that_misses_a_layer_is_refused() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    with pytest.raises(LoraError, match="does not depend on layer 1"):
        gradients(network, ["0", "1"], [lambda: network[0](torch.ones(1, 2)).sum()])
    with pytest.raises(LoraError, match="no batch"):
        gradients(network, ["0"], [])
