"""Updates cut to a rank: the best approximation of each, for every family and layer kind."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.adapters.networks import WEIGHT_FAMILIES, perturb, same_bits, small_network, snapshot
from visionlora.adapters import LoraConfig, LoraError, adapted_layers, adapters_off, attach, merged, scale
from visionlora.adapters.truncate import decompose_updates, truncated


def trained(family: str, network: nn.Module | None = None) -> nn.Module:
    torch.manual_seed(0)
    network = attach(network or small_network(), LoraConfig(family=family, rank=4))
    perturb(network)
    return scale(network, 0.5)


@pytest.mark.parametrize("family", WEIGHT_FAMILIES)
def test_the_whole_rank_is_the_adapter_and_rank_zero_the_frozen_network(family: str) -> None:
    network, x = trained(family), torch.randn(2, 3, 9, 9)
    before = snapshot(network)
    updates = decompose_updates(network)
    with merged(network):
        whole = network(x)
    with adapters_off(network):
        frozen = network(x)
    with truncated(network, updates, max(one.rank for one in updates.values())):
        torch.testing.assert_close(network(x), whole, rtol=1e-4, atol=1e-4)
    with truncated(network, updates, 0):
        torch.testing.assert_close(network(x), frozen, rtol=1e-5, atol=1e-5)
    assert same_bits(before, snapshot(network))


@pytest.mark.parametrize("family", ["lora", "loha"])
def test_what_is_left_at_a_rank_is_the_best_approximation(family: str) -> None:
    network = trained(family)
    updates = decompose_updates(network)
    with truncated(network, updates, 2):
        for name, layer in adapted_layers(network).items():
            assert layer.merged_weight is not None
            update, left = layer.update().detach().flatten(1), layer.merged_weight - layer.base_weight
            values = torch.linalg.svdvals(update).square()
            rest = (update - left.flatten(1)).square().sum()
            torch.testing.assert_close(rest, values[2:].sum(), rtol=1e-3, atol=1e-4)
            assert updates[name].energy(2) == pytest.approx(float(values[:2].sum()), rel=1e-4)


def test_attention_and_transposed_convolutions_are_cut_too() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up = nn.ConvTranspose2d(4, 8, 3, groups=2)
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            tokens = self.up(x).flatten(2).transpose(1, 2)
            return self.attention(tokens, tokens, tokens)[0]

    network, x = trained("lora", Both().eval()), torch.randn(2, 4, 3, 3)
    updates = decompose_updates(network)
    assert {"up", "attention.q_proj", "attention.v_proj", "attention.out_proj"} <= updates.keys()
    with merged(network):
        whole = network(x)
    with truncated(network, updates, 4):
        torch.testing.assert_close(network(x), whole, rtol=1e-4, atol=1e-5)
    with truncated(network, updates, 1):
        assert not torch.allclose(network(x), whole, rtol=1e-2, atol=1e-2)


def test_the_smallest_rank_for_a_share_is_where_the_energy_reaches_it() -> None:
    network = attach(nn.Linear(6, 5), LoraConfig(family="full"))
    with torch.no_grad():
        for adapter in network.active_adapters():
            values = torch.diag(torch.tensor([3.0, 2.0, 1.0, 0.0, 0.0]))
            adapter.difference.copy_(torch.cat([values, torch.zeros(5, 1)], dim=1))
    (update,) = decompose_updates(network).values()
    assert update.rank == 3
    assert [update.rank_for(share) for share in (0.5, 0.64, 0.9, 0.95, 1.0)] == [1, 1, 2, 3, 3]


def test_an_update_of_zero_has_rank_zero() -> None:
    updates = decompose_updates(attach(small_network(), LoraConfig()))
    assert {(one.rank, one.rank_for(0.9)) for one in updates.values()} == {(0, 0)}


def test_a_family_without_an_update_of_weights_is_refused_by_name() -> None:
    network = attach(small_network(), LoraConfig(family="conv_adapter", targets="conv"))
    with pytest.raises(LoraError, match=r"conv_adapter is a module of its own .* no rank"):
        decompose_updates(network)
