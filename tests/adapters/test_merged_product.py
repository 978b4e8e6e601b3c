"""A large linear layer inside `merged`: its weight is merged a few rows at a time."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from visionlora.adapters import LoraConfig, adapter_parameters, adapters_off, attach, merged, scaled
from visionlora.adapters import merged_product as product
from visionlora.adapters.base import LowRank


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """A linear layer that counts as large, in pieces of 64 of its 192 outputs."""
    monkeypatch.setattr(product, "LARGE", 192 * 96)
    monkeypatch.setattr(product, "PIECE", 64 * 96)
    network = nn.Sequential(nn.Linear(96, 192), nn.Linear(192, 3))
    attach(network, LoraConfig(rank=4), generator=torch.Generator().manual_seed(0))
    for parameter in adapter_parameters(network):
        nn.init.normal_(parameter, std=0.1)
    return network


def whole(network: nn.Module, x: Tensor, monkeypatch: pytest.MonkeyPatch) -> Tensor:
    with monkeypatch.context() as patch, merged(network), torch.no_grad():
        patch.setattr(product, "LARGE", 2**40)
        return network(x)


def test_it_gives_the_same_bits_as_the_whole_merged_weight(
    network: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = torch.randn(5, 96)
    with scaled(network, 0.5):
        expected = whole(network, x, monkeypatch)
        with merged(network), torch.no_grad():
            assert network[0].merged_weight is None and network[1].merged_weight is not None
            assert torch.equal(network(x), expected)
            with adapters_off(network):
                frozen = network(x)
    with adapters_off(network), torch.no_grad():
        assert torch.equal(network(x), frozen)
    assert not torch.equal(frozen, expected)


def test_no_more_than_a_piece_is_merged_at_a_time(
    network: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, added_to = [], LowRank.added_to

    def counted(self: LowRank, base: Tensor) -> Tensor:
        made.append(base.numel())
        return added_to(self, base)

    with merged(network), torch.inference_mode():
        monkeypatch.setattr(LowRank, "added_to", counted)
        network(torch.randn(5, 96))
    assert made == [64 * 96] * 3


def test_gradients_of_the_input_are_those_of_the_whole_merged_weight(network: nn.Module) -> None:
    x = torch.randn(5, 96, requires_grad=True)
    with merged(network):
        network(x).sum().backward()
        weights = network[0].weight, network[1].weight
    assert x.grad is not None
    assert torch.allclose(x.grad, (torch.ones(5, 3) @ weights[1]) @ weights[0], atol=1e-5)
    assert all(parameter.grad is None for parameter in adapter_parameters(network))
