"""Activations whose gradients need their input are out of place while a network is adapted, and only then."""

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
def test_afterwards_they_are_as_they_were(plain_again) -> None:
    model = network(nn.SiLU)
    before = dict(vars(model[1]))
    plain_again(attach(model, LoraConfig(rank=1)))
    assert vars(model[1]) == before


def test_one_that_was_out_of_place_stays_so() -> None:
    model = detach(attach(network(nn.SiLU, inplace=False), LoraConfig(rank=1)))
    assert not model[1].inplace


def test_a_relu_stays_in_place_since_its_output_is_enough() -> None:
    assert attach(network(nn.ReLU), LoraConfig(rank=1))[1].inplace
