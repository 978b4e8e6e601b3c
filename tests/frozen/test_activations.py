"""Activations whose gradients need their input copy nothing while a network is adapted, and only then."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from visionlora.adapters import LoraConfig, attach, detach, merge


def network(activation: type[nn.Module], inplace: bool = True) -> nn.Sequential:
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 4, 3), activation(inplace=inplace), nn.Conv2d(4, 2, 1)
    return nn.Sequential(*layers)


def copies(model: nn.Module) -> int:
    """How many tensors a step copies."""
    with torch.profiler.profile() as profile:
        model(torch.ones(1, 3, 8, 8)).sum().backward()
    return sum(event.name == "aten::clone" for event in profile.events())


@pytest.mark.parametrize("activation", [nn.ReLU6, nn.SiLU, nn.Hardswish, nn.Hardsigmoid, nn.Mish])
def test_a_step_does_not_copy_their_input(activation: type[nn.Module]) -> None:
    adapted, out_of_place = (
        attach(network(activation, inplace), LoraConfig(rank=1)) for inplace in (True, False)
    )
    assert copies(adapted) == copies(out_of_place)


@pytest.mark.parametrize("plain_again", [detach, merge])
@pytest.mark.parametrize("activation", [nn.ReLU6, nn.SiLU])
def test_afterwards_they_are_as_they_were(plain_again, activation: type[nn.Module]) -> None:
    model = network(activation)
    before = dict(vars(model[1]))
    plain_again(attach(model, LoraConfig(rank=1)))
    assert vars(model[1]) == before and type(model[1]) is activation


@pytest.mark.parametrize("activation", [nn.ReLU6(True), nn.Hardtanh(-0.3, 0.7, inplace=True)])
def test_a_clamp_stays_in_place_and_has_the_same_gradient(activation: nn.Hardtanh) -> None:
    plain = type(activation)(inplace=False)
    plain.min_val, plain.max_val = activation.min_val, activation.max_val
    adapted = attach(nn.Sequential(nn.Linear(4, 4), activation), LoraConfig(rank=1, targets=["0"]))[1]
    x = torch.tensor([-7.0, -0.3, 0.0, 0.1, 0.7, 6.0, 9.0, float("nan")], requires_grad=True)
    given = x * 1
    y = adapted(given)
    assert y.data_ptr() == given.data_ptr()
    (gradient,) = torch.autograd.grad(y, x, torch.arange(8.0))
    (expected,) = torch.autograd.grad(plain(x * 1), x, torch.arange(8.0))
    assert torch.equal(gradient, expected)
    torch.testing.assert_close(y, plain(x * 1), rtol=0, atol=0, equal_nan=True)
    assert torch.autograd.gradgradcheck(lambda t: adapted(t * 1), torch.randn(5).double().requires_grad_())


def test_a_clamp_changes_no_view_and_no_leaf() -> None:
    model = attach(nn.Sequential(nn.Linear(4, 4), nn.ReLU6(True)), LoraConfig(rank=1, targets=["0"]))
    x = torch.randn(3, 4, requires_grad=True)
    before, whole = x.detach().clone(), x * 1
    model[1](x).sum().backward()
    model[1](whole[:2]).sum().backward()
    assert torch.equal(x, before) and torch.equal(whole, before)


def test_one_that_was_out_of_place_stays_so() -> None:
    model = detach(attach(network(nn.SiLU, inplace=False), LoraConfig(rank=1)))
    assert not model[1].inplace


def test_a_relu_stays_in_place_since_its_output_is_enough() -> None:
    assert attach(network(nn.ReLU), LoraConfig(rank=1))[1].inplace
