from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from benchmarks.contenders import CONTENDERS, Contender
from benchmarks.ready import by_name, layers_for
from benchmarks.timing import Setting, Trainee
from visionlora.errors import VisionLoraError

SETTING = Setting("tiny", rank=2)


def tiny_network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Sequential(nn.Conv2d(8, 8, 3, groups=8, padding=1), nn.ReLU(), nn.Conv2d(8, 8, (1, 3))),
        nn.Conv2d(8, 8, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 5),
    )


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 3, 12, 12, generator=generator), torch.tensor([0, 3])


def installed(name: str) -> Contender:
    contender = by_name(name)
    if not contender.installed:
        pytest.skip(f"{name} is not installed")
    return contender


ADAPTERS = [contender.name for contender in CONTENDERS if contender.can is not None]


@pytest.mark.parametrize("name", ADAPTERS)
def test_only_a_contenders_own_parameters_move(name: str) -> None:
    contender, network = installed(name), tiny_network()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    own = copy.deepcopy(network)
    trainee = Trainee(contender, own, SETTING)
    moving = [parameter.detach().clone() for parameter in trainee.trainable]
    for _ in range(2):
        trainee.step(*batch())
    # B leaves zero at the first step, and A, whose gradient passes through B, at the second.
    assert all(not torch.equal(old, new) for old, new in zip(moving, trainee.trainable, strict=True))
    trained = {id(parameter) for parameter in trainee.trainable}
    frozen = [parameter for parameter in own.parameters() if id(parameter) not in trained]
    assert all(not parameter.requires_grad and parameter.grad is None for parameter in frozen)
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key]), key


@pytest.mark.parametrize("name", ADAPTERS)
def test_every_contender_starts_with_the_same_function(name: str) -> None:
    contender, network = installed(name), tiny_network()
    images, _ = batch()
    trainee = Trainee(contender, copy.deepcopy(network), SETTING)
    torch.testing.assert_close(trainee.model(images), network.eval()(images))


def test_all_contenders_adapt_the_layers_that_each_of_them_can() -> None:
    network = tiny_network()
    for name in ADAPTERS:
        assert layers_for(network, by_name(name), 2, "shared") == ["0", "4", "7"]
    assert layers_for(network, by_name("ours"), 2, "all") == ["0", "3.0", "3.2", "4", "7"]


@pytest.mark.parametrize(("name", "left"), [("ours", 0), ("ours, unfolded", 1)])
def test_ours_folds_batch_norm_by_default(name: str, left: int, monkeypatch: pytest.MonkeyPatch) -> None:
    trainee = Trainee(by_name(name), tiny_network(), SETTING)
    calls, compute = [], nn.functional.batch_norm
    monkeypatch.setattr(nn.functional, "batch_norm", lambda *a, **k: calls.append(1) or compute(*a, **k))
    trainee.step(*batch())
    assert len(calls) == left


def test_the_floor_trains_nothing() -> None:
    network = tiny_network()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    trainee = Trainee(by_name("floor"), network, SETTING)
    assert trainee.step(*batch()) > 0
    assert trainee.trainable == [] and trainee.optimizer is None
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_full_fine_tuning_moves_every_parameter_of_its_own_copy() -> None:
    network, full = tiny_network(), by_name("full")
    before = [parameter.detach().clone() for parameter in network.parameters()]
    trainee = Trainee(full, copy.deepcopy(network), SETTING)
    trainee.step(*batch())
    assert all(not torch.equal(old, new) for old, new in zip(before, trainee.trainable, strict=True))
    assert all(torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True))


def test_an_unknown_contender_is_refused_with_the_list_of_contenders() -> None:
    with pytest.raises(VisionLoraError, match="LyCORIS"):
        by_name("lycoriss")
