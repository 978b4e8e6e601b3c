"""An adapter of a full fine-tune: whole it is the fine-tuned network, at a rank it says what it lost."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from tests.adapters.io.round_trips import build, images
from visionlora.adapters import LoraError, adapted_layers, adapters_off, load_adapter, save_adapter, scaled
from visionlora.adapters.full_fine_tune import TunedAdapter, extract_tuned


def fine_tuned(base: nn.Module) -> nn.Module:
    """Every weight, bias, norm and statistic changed."""
    tuned = copy.deepcopy(base)
    torch.manual_seed(1)
    with torch.no_grad():
        for key, tensor in tuned.state_dict().items():
            if tensor.is_floating_point():
                change = torch.randn_like(tensor) * 0.1 * tensor.abs().mean().clamp_min(0.05)
                tensor.add_(change.abs() if key.endswith("running_var") else change)
    return tuned


@pytest.mark.parametrize("name", ["resnet18", "vgg11", "convnext"])
@torch.no_grad()
def test_at_full_rank_it_is_the_fine_tuned_network(name: str, tmp_path) -> None:
    base, x = build(name), images()
    plain = base(x)
    tuned = fine_tuned(base)
    expected = tuned(x)
    extract_tuned(base, tuned, None)
    scale = float(expected.abs().max())
    torch.testing.assert_close(base(x), expected, rtol=0, atol=1e-5 * max(1, scale))
    with adapters_off(base):
        assert torch.equal(base(x), plain)
    with scaled(base, 0.0):
        torch.testing.assert_close(base(x), plain, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(base(x), expected, rtol=0, atol=1e-5 * max(1, scale))
    save_adapter(base, tmp_path)
    loaded = load_adapter(build(name), tmp_path)
    torch.testing.assert_close(loaded(x), expected, rtol=0, atol=1e-5 * max(1, scale))


@torch.no_grad()
def test_at_a_rank_the_energy_of_each_layer_is_what_is_left() -> None:
    base = build("timm_resnet")
    tuned = fine_tuned(base)
    differences = {
        name: (module.weight - base.get_submodule(name).weight).clone()
        for name, module in tuned.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    }
    found: TunedAdapter = extract_tuned(base, tuned, 8)
    assert found.kept.keys() == differences.keys()
    assert found.biases == ["head.fc"]
    assert "norm" in found.whole
    for name, layer in adapted_layers(base).items():
        left = layer.update() - differences[name].view(layer.update().shape)
        lost = float(left.square().sum() / differences[name].square().sum())
        assert found.kept[name].energy == pytest.approx(1 - lost, abs=1e-4)
        assert found.kept[name].rank == min(8, *differences[name].flatten(1).shape)
    assert 0 < found.kept["stages.3.blocks.0.conv2"].energy < 0.9


def test_networks_that_are_not_one_architecture_or_are_equal_are_refused() -> None:
    with pytest.raises(LoraError, match="same architecture"):
        extract_tuned(build("resnet18"), build("vgg11"), 8)
    with pytest.raises(LoraError, match="same weights"):
        extract_tuned(build("vgg11"), build("vgg11"), 8)
