"""ReLoRA: low-rank updates one after the other add up to one of a higher rank."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.adapters.networks import same_bits, small_network, snapshot
from visionlora.adapters import (
    LoraConfig,
    LoraError,
    active_adapters,
    adapter_parameters,
    adapters_off,
    attach,
    load_adapter,
    merge,
    merged,
    named_adapters,
    save_adapter,
    scale,
)
from visionlora.adapters.restart import (
    compress,
    describe_restarts,
    prune_moments,
    restart,
    restarted_adapters,
    warmed_up,
)
from visionlora.adapters.truncate import decompose_updates


def network_with(restarts: int, rank: int = 1, **settings: Any) -> nn.Module:
    """Trained for a while, with so many restarts."""
    torch.manual_seed(0)
    config = LoraConfig(rank=rank, restart_every=3, **settings)
    network = attach(small_network(), config, generator=torch.Generator().manual_seed(1))
    optimizer = torch.optim.AdamW(adapter_parameters(network), lr=0.05)
    x, target = torch.randn(8, 3, 9, 9), torch.arange(8) % 5
    for step in range(1, 3 * (restarts + 1) + 1):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(x), target).backward()
        optimizer.step()
        if step % 3 == 0 and step <= 3 * restarts:
            before = network(x)
            restart(network, optimizer, 7, step)
            torch.testing.assert_close(network(x), before, rtol=1e-4, atol=1e-5)
    return network


X = torch.linspace(-1, 1, 2 * 3 * 81).view(2, 3, 9, 9)


def test_the_sum_has_a_higher_rank_than_what_is_trained() -> None:
    plain = decompose_updates(network_with(0))
    summed = decompose_updates(network_with(3))
    assert {one.rank for one in plain.values()} == {1}
    assert {one.rank for one in summed.values()} == {4}
    sizes = [sum(one.numel() for one in adapter_parameters(network_with(count))) for count in (0, 3)]
    assert sizes[0] == sizes[1]


def test_the_base_stays_as_it_is_to_the_bit() -> None:
    before = snapshot(attach(small_network_seeded(), LoraConfig()))
    network = network_with(2)
    assert same_bits(before, snapshot(network))
    with adapters_off(network):
        torch.testing.assert_close(network(X), small_network_seeded()(X))


def small_network_seeded() -> nn.Module:
    torch.manual_seed(0)
    return small_network()


def test_restarts_are_a_function_of_seed_step_and_name() -> None:
    one, two = network_with(2), network_with(2)
    assert all(map(torch.equal, adapter_parameters(one), adapter_parameters(two)))


@pytest.mark.parametrize("rslora", [False, True])
@pytest.mark.parametrize("strength", [1.0, 0.3])
def test_what_is_saved_is_the_sum_as_plain_lora(tmp_path: Path, strength: float, rslora: bool) -> None:
    network = scale(network_with(3, rslora=rslora), strength)
    expected = network(X)
    with merged(network):
        torch.testing.assert_close(network(X), expected, rtol=1e-4, atol=1e-5)
    save_adapter(network, tmp_path)
    loaded = load_adapter(small_network_seeded(), tmp_path)
    assert {one.settings.rank for one in active_adapters(loaded)} == {4}
    assert not restarted_adapters(loaded)
    torch.testing.assert_close(loaded(X), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(merge(network)(X), expected, rtol=1e-4, atol=1e-5)


def test_peft_computes_the_same(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    targets = ["0", "7"]  # PEFT's adapters of grouped convolutions are others
    torch.manual_seed(0)
    network = network_with(3, targets=targets)
    expected = network(X)
    save_adapter(network, tmp_path)
    theirs = peft.PeftModel.from_pretrained(small_network_seeded(), str(tmp_path)).eval()
    torch.testing.assert_close(theirs(X), expected, rtol=1e-4, atol=1e-5)


def test_a_sum_that_is_cut_is_the_best_approximation_and_says_what_it_kept(tmp_path: Path) -> None:
    whole = decompose_updates(network_with(3))
    network = network_with(3, restart_rank=2)
    compress(network)
    for site, adapter in restarted_adapters(network).items():
        assert float(adapter.energy) == pytest.approx(whole[site].energy(2) / whole[site].energy(4), rel=1e-3)
    expected = network(X)
    save_adapter(network, tmp_path)
    loaded = load_adapter(small_network_seeded(), tmp_path)
    assert {one.settings.rank for one in active_adapters(loaded)} == {2}
    torch.testing.assert_close(loaded(X), expected, rtol=1e-4, atol=1e-5)
    assert "3 restarts" in str(describe_restarts(network)) and "of rank 2 to 2" in str(
        describe_restarts(network)
    )


def test_a_large_weight_is_decomposed_within_its_known_rank(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = attach(nn.Linear(90, 70), LoraConfig(rank=2, restart_every=1))
    optimizer = torch.optim.AdamW(adapter_parameters(network), lr=0.1)
    x = torch.randn(40, 90)
    for step in range(1, 4):
        optimizer.zero_grad()
        network(x).square().mean().backward()
        optimizer.step()
        restart(network, optimizer, 0, step)
    (adapter,) = named_adapters(network).values()
    parts = adapter.to_peft()
    assert {name: tuple(tensor.shape) for name, tensor in parts.items()} == adapter.peft_shapes()
    assert parts["lora_A.weight"].shape == (8, 90)
    expected = adapter.update(torch.zeros(70, 90))
    torch.testing.assert_close(
        parts["lora_B.weight"] @ parts["lora_A.weight"], expected, rtol=1e-4, atol=1e-5
    )


def test_attention_restarts_in_each_of_its_parts() -> None:
    # Adam's first step is the gradient's sign: with few numbers, that of two restarts may be the same.
    torch.manual_seed(1)
    network = attach(nn.MultiheadAttention(8, 2, batch_first=True), LoraConfig(rank=1, restart_every=1))
    optimizer = torch.optim.AdamW(adapter_parameters(network), lr=0.1)
    tokens = torch.randn(2, 5, 8)
    for step in (1, 2):
        optimizer.zero_grad()
        network(tokens, tokens, tokens)[0].square().mean().backward()
        optimizer.step()
        restart(network, optimizer, 0, step)
    assert {one.rank for one in decompose_updates(network).values()} == {2}


def test_a_network_with_several_adapters_on_a_layer_has_nothing_to_restart() -> None:
    network = attach(small_network(), LoraConfig(family=["lora", "ia3"]))
    assert describe_restarts(network) is None and not restarted_adapters(network)


def test_pruning_keeps_the_hundredth_where_the_first_moment_is_largest() -> None:
    parameter = nn.Parameter(torch.zeros(10, 20))
    optimizer = torch.optim.AdamW([parameter])
    parameter.grad = torch.arange(1.0, 201).view(10, 20)
    optimizer.step()
    optimizer.state[parameter]["exp_avg_sq"].copy_(optimizer.state[parameter]["exp_avg_sq"].flip(0))
    prune_moments(optimizer, parameter)
    for key in ("exp_avg", "exp_avg_sq"):
        moment = optimizer.state[parameter][key].flatten()
        assert torch.nonzero(moment).flatten().tolist() == [198, 199]
    assert optimizer.state[parameter]["step"] == 0


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW, torch.optim.NAdam, torch.optim.Adamax])
def test_steps_after_a_restart_are_no_longer_than_those_at_the_start(kind: Any) -> None:
    parameter = nn.Parameter(torch.zeros(20, 20))
    optimizer = kind([parameter], lr=0.01)

    def moved() -> float:
        before = parameter.detach().clone()
        for _ in range(20):
            parameter.grad = torch.ones(20, 20)
            optimizer.step()
        return float((parameter.detach() - before).abs().mean())

    first = moved()
    for _ in range(5):
        moved()
    prune_moments(optimizer, parameter)
    assert moved() < 1.1 * first


def test_a_restart_never_leaves_a_first_moment_without_its_second() -> None:
    torch.manual_seed(0)
    parameter = nn.Parameter(torch.randn(30, 30))
    optimizer = torch.optim.AdamW([parameter], lr=1e-3)
    for _ in range(20):
        parameter.grad = torch.randn(30, 30) ** 3
        optimizer.step()
    prune_moments(optimizer, parameter)
    before = parameter.detach().clone()
    parameter.grad = torch.full((30, 30), 1e-9)  # A's, while B is zero
    optimizer.step()
    assert (parameter - before).abs().max() < 0.02


def test_the_learning_rate_rises_again_after_each_restart() -> None:
    factors = [warmed_up(step, 10, 0.2) for step in range(25)]
    assert factors[:10] == [1.0] * 10  # the run's own warm-up is there
    assert factors[10:14] == [pytest.approx(1 / 3), pytest.approx(2 / 3), 1.0, 1.0]
    assert factors[20:23] == factors[10:13]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"family": "dora"}, "family=lora alone"),
        ({"family": ["lora", "ia3"]}, "family=lora alone"),
        ({"dropout": 0.1}, "dropout=0"),
        ({"init": "pissa"}, "use contrastive or default"),
        ({"init": "eva"}, "use contrastive or default"),
        ({"bias": "all"}, "bias=none"),
        ({"restart_every": 0}, "at least 1"),
        ({"restart_rank": True}, "restart_rank is True"),
        ({"restart_every": None, "restart_rank": 3}, "set restart_every too"),
    ],
)
def test_what_restarts_do_not_go_with_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(LoraError, match=words):
        LoraConfig(**{"restart_every": 5, **settings})


def test_other_families_beside_it_do_not_restart() -> None:
    both = attach(small_network(), LoraConfig(family=["lora", "ia3"], rank=2))
    assert restarted_adapters(both) == {}
