"""The size of each layer's update beside its weight."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from visionlora.adapters import LoraConfig, adapted_layers, adapter_parameters, attach
from visionlora.adapters.layers import AdaptedLayer
from visionlora.adapters.update_size import update_sizes
from visionlora.frozen.quantised import quantise


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(4, 8, 3, groups=2), nn.Flatten(), nn.Linear(72, 20), nn.Linear(20, 3))


@pytest.mark.parametrize("family", ["lora", "dora", "lokr"])
@pytest.mark.parametrize("scheme", [None, "nf4", "int8"])
def test_sizes_are_the_norms_of_updates_as_shares_of_the_weights(family: str, scheme: str | None) -> None:
    model = network().eval()
    if scheme is not None:
        quantise(model, scheme)
    attach(model, LoraConfig(rank=2, alpha=3, family=family), generator=torch.Generator().manual_seed(0))
    for parameter in adapter_parameters(model):
        nn.init.normal_(parameter, std=0.3)
    sizes = update_sizes(model)
    assert list(sizes) == ["0", "2", "3"]
    for name, layer in adapted_layers(model).items():
        expected = float(layer.update().detach().norm() / layer.frozen_weight.dense().norm())
        assert sizes[name] == pytest.approx(expected, rel=1e-5)


def test_a_low_rank_update_is_not_multiplied_out(monkeypatch: pytest.MonkeyPatch) -> None:
    model = attach(network(), LoraConfig(rank=2), generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(AdaptedLayer, "update", lambda self: pytest.fail("a dense update"))
    assert update_sizes(model) == {"0": 0.0, "2": 0.0, "3": 0.0}  # B is zero
