from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.adapters.networks import perturb, small_network
from visionlora.adapters import LoraConfig, LoraError, LowRank, attach, scale
from visionlora.adapters.updates import add_updates, low_rank_updates


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.floats(0.1, 3), st.sampled_from([(5,), (2, 3, 3), (1, 1, 1)]))
def test_the_sum_of_two_updates_is_the_update_of_both(
    first: int, second: int, scaling: float, rest: tuple[int, ...]
) -> None:
    ones, out = (1,) * (len(rest) - 1), 4
    updates = [
        LowRank(torch.randn(rank, *rest).double(), torch.randn(out, rank, *ones).double(), scaling)
        for rank in (first, second)
    ]
    found = add_updates(*updates)
    base = torch.randn(out, *rest).double()
    expected = updates[1].added_to(updates[0].added_to(base))
    torch.testing.assert_close(found.added_to(base), expected)
    assert len(found.A) == min(first + second, out, rest[0] * torch.Size(rest[1:]).numel())
    assert found.scaling == 1


def test_updates_are_read_with_their_strength() -> None:
    network = attach(small_network(), LoraConfig(rank=2))
    perturb(network, 0.1)
    whole = low_rank_updates(network)
    scale(network, 0.5)
    for site, half in low_rank_updates(network).items():
        zero = torch.zeros(len(half.B), *half.A.shape[1:])
        torch.testing.assert_close(2 * half.added_to(zero), whole[site].added_to(zero))


@pytest.mark.parametrize("family", ["dora", "loha", "full"])
def test_an_update_that_is_not_low_rank_is_named(family: str) -> None:
    with pytest.raises(LoraError, match=family):
        low_rank_updates(attach(small_network(), LoraConfig(family=family)))


def test_several_adapters_of_a_weight_are_named() -> None:
    network = attach(small_network(), LoraConfig(bias="lora_only"))
    with pytest.raises(LoraError, match=r"^0 has several adapters \(lora, bias\)$"):
        low_rank_updates(network)
