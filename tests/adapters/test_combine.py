"""Arithmetic of updates: sums stay low-rank and exact, TIES and DARE are what the papers say."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.adapters.networks import perturb, small_network
from visionlora.adapters import (
    LoraConfig,
    LoraError,
    adapter_names,
    attach,
    detach,
    load_adapter,
    save_adapter,
)
from visionlora.adapters.base import LowRank
from visionlora.adapters.collect_updates import attach_updates, collect_updates
from visionlora.adapters.combine import METHODS, combine, dense
from visionlora.adapters.recompress import factored, recompressed


def product(seed: int, rank: int, scaling: float = 0.7) -> LowRank:
    generator = torch.Generator().manual_seed(seed)
    A = torch.randn(rank, 3, 2, 2, generator=generator, dtype=torch.float64)
    return LowRank(A, torch.randn(6, rank, 1, 1, generator=generator, dtype=torch.float64), scaling)


@given(st.lists(st.tuples(st.integers(1, 5), st.floats(-2, 2)), min_size=1, max_size=4), st.integers(0, 99))
def test_a_weighted_sum_of_products_is_the_product_of_the_sum(
    parts: list[tuple[int, float]], seed: int
) -> None:
    updates = [product(seed + place, rank) for place, (rank, _) in enumerate(parts)]
    weights = [weight for _, weight in parts]
    found = combine([{"layer": one} for one in updates], "add", weights)["layer"]
    expected = sum(weight * dense(one) for weight, one in zip(weights, updates, strict=True))
    torch.testing.assert_close(dense(found), expected)
    exact = recompressed(found)  # type: ignore[arg-type]
    torch.testing.assert_close(dense(LowRank(exact.A, exact.B, 1.0)), expected, rtol=1e-9, atol=1e-9)


@given(st.integers(1, 9), st.integers(1, 6), st.integers(0, 99))
def test_recompression_of_factors_is_that_of_the_whole_product(rank: int, wanted: int, seed: int) -> None:
    update = product(seed, rank)
    by_factors, by_product = recompressed(update, wanted), factored(dense(update), wanted)
    assert len(by_factors.A) == len(by_product.A) == min(rank, wanted, 6)
    assert by_factors.energy == pytest.approx(by_product.energy)
    left, right = (dense(LowRank(one.A, one.B, 1.0)) for one in (by_factors, by_product))
    torch.testing.assert_close(left, right, rtol=1e-7, atol=1e-7)
    lost = (left - dense(update)).square().sum() / dense(update).square().sum()
    assert by_factors.energy == pytest.approx(1 - float(lost), abs=1e-9)


def test_average_and_subtract_are_weighted() -> None:
    adapters = [{"a": torch.tensor([2.0, 4.0])}, {"a": torch.tensor([1.0, 0.0]), "b": torch.tensor([3.0])}]
    assert combine(adapters, "average", [3, 1])["a"].tolist() == [1.75, 3.0]
    assert combine(adapters, "average", [3, 1])["b"].tolist() == [0.75]
    assert combine(adapters, "subtract", [1, 2])["a"].tolist() == [0.0, 4.0]
    assert combine(adapters, "subtract")["b"].tolist() == [-3.0]


def test_ties_trims_elects_and_averages_those_that_agree() -> None:
    # Trimmed to half, elected by the total, then the mean of those that agree.
    one = torch.tensor([4.0, -1.0, 3.0, 0.5])
    other = torch.tensor([-5.0, 6.0, 1.0, 0.1])
    assert combine([{"a": one}, {"a": other}], "ties", density=0.5)["a"].tolist() == [-5.0, 6.0, 3.0, 0.0]
    # The threshold is one for the whole adapter, not one for each layer.
    two = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([30.0, 40.0])}
    found = combine([two], "ties", density=0.5)
    assert found["a"].tolist() == [0.0, 0.0]
    assert found["b"].tolist() == [30.0, 40.0]


@pytest.mark.parametrize("method", METHODS)
def test_an_adapter_without_updates_counts_as_zero(method: str) -> None:
    """One with a new head alone has none."""
    assert combine([{}, {}], method) == {}
    one = torch.tensor([[3.0, -1.0]])
    found = combine([{"a": one}, {}], method, density=1.0)["a"]
    assert torch.equal(found, one / 2 if method == "average" else one)


def test_dare_drops_its_share_and_keeps_the_mean() -> None:
    ones = {"a": torch.ones(20_000)}
    kept: Tensor = combine([ones], "dare", density=0.25, seed=3)["a"]  # type: ignore[assignment]
    assert set(kept.unique().tolist()) == {0.0, 4.0}
    assert float(kept.mean()) == pytest.approx(1, abs=0.05)
    assert torch.equal(kept, combine([ones], "dare", density=0.25, seed=3)["a"])  # type: ignore[arg-type]
    assert not torch.equal(kept, combine([ones], "dare", density=0.25, seed=4)["a"])  # type: ignore[arg-type]
    both = combine([ones, ones], "dare", density=0.25)["a"]
    assert set(both.unique().tolist()) == {0.0, 4.0, 8.0}, "each adapter drops numbers of its own"
    elected = combine([ones, {"a": -3 * ones["a"]}], "dare_ties", density=0.5)["a"]
    assert set(elected.unique().tolist()) == {-6.0, 0.0, 2.0}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"method": "mean"}, "method is 'mean'"),
        ({"method": "ties", "density": 0}, "density is 0"),
        ({"method": "average", "weights": [1, -1]}, "add up to 0"),
        ({"method": "add", "weights": [1]}, "2 adapters and 1 weights"),
    ],
)
def test_what_cannot_be_combined_is_refused(arguments: dict, said: str) -> None:
    with pytest.raises(LoraError, match=said):
        combine([{"a": torch.ones(2)}] * 2, **arguments)


@pytest.mark.parametrize("families", [("lora", "dylora"), ("lora", "dora"), ("loha", "full"), ("oft", "ia3")])
def test_the_sum_on_a_network_is_what_both_adapters_compute(families: tuple[str, str], tmp_path) -> None:
    torch.manual_seed(0)
    plain, x = small_network(), torch.randn(2, 3, 9, 9)
    network = copy.deepcopy(plain)
    for place, family in enumerate(families):
        config = LoraConfig(family=family, rank=2 + place, targets="conv" if place else "all")
        attach(network, config, name=f"a{place}")
        perturb(network, 0.1)
    updates = [collect_updates(network, [f"a{place}"]) for place in range(2)]
    from visionlora.adapters import activate

    expected = activate(network, "a0", "a1")(x)
    detach(network)
    kept = attach_updates(network, combine(updates, "add"))
    assert all(one.energy == pytest.approx(1) for one in kept.values())
    torch.testing.assert_close(network(x), expected, rtol=1e-4, atol=1e-5)
    save_adapter(network, tmp_path)
    torch.testing.assert_close(load_adapter(plain, tmp_path)(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rank", [None, 1])
def test_changes_of_norms_and_biases_are_combined_as_whole_tensors(rank: int | None, tmp_path) -> None:
    torch.manual_seed(0)
    plain, x = small_network(), torch.randn(2, 3, 9, 9)
    network = attach(copy.deepcopy(plain), LoraConfig(rank=1, train_norms=True, bias="all"))
    perturb(network, 0.1)
    names, expected = adapter_names(network), network(x)
    half = combine([collect_updates(network, names)], "add", [0.5])
    detach(network)
    attach_updates(network, combine([half, half], "add"), rank)
    torch.testing.assert_close(network(x), expected, rtol=1e-4, atol=1e-5)
    save_adapter(network, tmp_path)
    torch.testing.assert_close(load_adapter(plain, tmp_path)(x), expected, rtol=1e-4, atol=1e-5)


def test_a_module_of_its_own_cannot_be_added() -> None:
    network = attach(small_network(), LoraConfig(family="conv_adapter", targets="^0"))
    with pytest.raises(LoraError, match="0 has conv_adapter, which is computed beside the layer"):
        collect_updates(network, ["default"])
