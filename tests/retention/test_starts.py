"""Starts that a run makes from its images and anchors."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from tests.adapters.networks import small_network
from visionlora.adapters import LoraConfig, attach, named_adapters
from visionlora.adapters.init import FROM_DATA
from visionlora.adapters.parameter_groups import trained_groups
from visionlora.adapters.restart import restarted_adapters
from visionlora.errors import VisionLoraError
from visionlora.notices import Notices
from visionlora.retention.starts import chosen_init, start_from_data


def batches(seed: int) -> list[dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(3, 4, 3, 9, 8, generator=generator)
    return [{"images": one, "labels": torch.tensor([0, 1, 2, 3])} for one in images]


def adapted(rank: int = 2, **fields: object) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    plain = small_network()
    generator = torch.Generator().manual_seed(0)
    return plain, attach(copy.deepcopy(plain), LoraConfig(rank=rank, **fields), generator=generator)


def factors(model: nn.Module) -> dict[str, Tensor]:
    return {site: one.lora_A.detach().clone() for site, one in named_adapters(model, "default").items()}


@pytest.mark.parametrize("family", ["lora", "dora", ["lora", "ia3"]])
@pytest.mark.parametrize("init", FROM_DATA)
def test_a_start_changes_a_and_not_what_the_network_computes(init: str, family: object) -> None:
    plain, model = adapted(family=family)
    before, notices = factors(model), Notices()
    start_from_data(model, init, batches(1), batches(2), torch.device("cpu"), notices)
    x = torch.randn(2, 3, 9, 8)
    torch.testing.assert_close(model(x), plain(x), rtol=1e-4, atol=1e-4)
    assert any(not torch.equal(before[site], A) for site, A in factors(model).items())
    assert notices.messages[-1].startswith(f"lora.init={init} starts {len(before)} layers")


@pytest.mark.parametrize(
    ("init", "moves"),
    [("eva", 0), ("lora_ga", 0), ("corda", 1), ("lora_null", 1), ("contrastive", 0), ("contrastive", 1)],
)
def test_a_start_depends_on_the_images_it_is_for(init: str, moves: int) -> None:
    found = []
    for other in (3, 4):
        _, model = adapted()
        sources = [batches(1), batches(1)]
        sources[moves] = batches(other)
        start_from_data(model, init, *sources, torch.device("cpu"), Notices())
        found.append(factors(model))
    assert any(not torch.allclose(found[0][site], found[1][site]) for site in found[0])


@pytest.mark.parametrize(
    ("init", "families", "anchors", "chosen"),
    [
        ("auto", ["lora"], True, "contrastive"),
        ("auto", ["lora"], False, "default"),
        ("auto", ["dora"], True, "default"),
        ("auto", ["lora", "ia3"], True, "default"),
        ("auto", [], True, "default"),  # new blocks alone are trained
        ("pissa", ["lora"], True, "pissa"),
        ("default", ["lora"], True, "default"),
    ],
)
def test_a_run_starts_lora_from_images_where_there_are_anchors(
    init: str, families: list[str], anchors: bool, chosen: str
) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3))
    if families:
        attach(network, LoraConfig(families, rank=1))
    assert chosen_init(init, network, anchors) == chosen


def test_restarts_change_nothing_about_the_start_that_a_run_chooses() -> None:
    _, model = adapted(restart_every=3)
    assert [chosen_init("auto", model, anchors) for anchors in (True, False)] == ["contrastive", "default"]


def test_each_cycle_starts_at_the_next_directions_the_most_important_ones_first() -> None:
    (_, whole), (_, model) = adapted(rank=4), adapted(rank=2, restart_every=3)
    start_from_data(whole, "contrastive", batches(1), batches(2), torch.device("cpu"), Notices())
    start_from_data(model, "contrastive", batches(1), batches(2), torch.device("cpu"), Notices(), cycles=2)
    compared = 0
    for site, adapter in restarted_adapters(model).items():
        expected = factors(whole)[site].flip(0)  # eigenvalues ascend
        if adapter.directions.shape != expected.shape:
            continue  # a layer with fewer directions than the two cycles have
        compared += 1
        first = adapter.lora_A.detach().clone()
        adapter.restart_from(torch.Generator())
        assert torch.equal(torch.cat([first, adapter.lora_A.detach()]), expected)
    assert compared >= 2


def test_an_a_in_planned_directions_takes_no_step_and_no_moments() -> None:
    _, model = adapted(rank=2, restart_every=3)
    start_from_data(model, "contrastive", batches(1), batches(2), torch.device("cpu"), Notices(), cycles=2)
    optimizer = torch.optim.AdamW(trained_groups(model, 0.1, None))
    before = factors(model)
    for batch in batches(1):  # B is zero at first, and so is the gradient of A
        optimizer.zero_grad()
        model(batch["images"]).square().sum().backward()
        optimizer.step()
    for site, adapter in restarted_adapters(model).items():
        assert torch.equal(adapter.lora_A, before[site]) and adapter.lora_B.any()
        assert adapter.lora_A not in optimizer.state and adapter.lora_B in optimizer.state


def test_a_layer_whose_directions_are_used_up_starts_at_the_first_again() -> None:
    _, model = adapted(rank=1, restart_every=3)
    start_from_data(
        model, "contrastive", batches(1), batches(2), torch.device("cpu"), Notices(), cycles=10**6
    )
    site, adapter = min(restarted_adapters(model).items(), key=lambda one: len(one[1].directions))
    first = factors(model)[site]
    for _ in adapter.directions:
        adapter.restart_from(torch.Generator())
    assert torch.equal(factors(model)[site], first)


@pytest.mark.parametrize("init", ["corda", "lora_null", "contrastive"])
def test_a_start_from_anchors_needs_anchors(init: str) -> None:
    _, model = adapted()
    with pytest.raises(VisionLoraError, match=rf"lora\.init={init} starts from anchors, and there are none"):
        start_from_data(model, init, batches(1), None, torch.device("cpu"), Notices())


def test_layers_with_fewer_directions_than_the_rank_keep_their_start_and_that_is_said() -> None:
    _, model = adapted(rank=16)
    before, notices = factors(model), Notices()
    start_from_data(model, "eva", batches(1), None, torch.device("cpu"), notices)
    after = factors(model)
    same = [site for site in before if torch.equal(before[site], after[site])]
    assert f"{len(same)} keep their own, the first: {same[0]}" in notices.messages[-1]


def test_a_start_that_takes_long_says_how_many_layers_it_has_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("visionlora.report.progress.LINE_EVERY_S", 0)
    _, model = adapted()
    start_from_data(model, "corda", batches(1), batches(2), torch.device("cpu"), Notices())
    said = capsys.readouterr().out
    assert f"lora.init=corda: 1 of {len(factors(model))} layers" in said
