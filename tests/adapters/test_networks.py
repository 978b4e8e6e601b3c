"""Every classification network that torchvision registers: adapted, switched off, merged, plain again."""

from __future__ import annotations

import math

import pytest
import torch
import torchvision
from torch import nn

from tests.adapters.networks import perturb
from visionlora.adapters import LoraConfig, adapted_layers, adapters_off, attach, merge, merged

ALL = torchvision.models.list_models(module=torchvision.models)
# One or more of each family, small enough for every run of the tests.
QUICK = {
    "alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s", "googlenet",
    "maxvit_t", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "regnet_x_400mf", "regnet_y_400mf",
    "resnet18", "resnet50", "resnext50_32x4d", "shufflenet_v2_x0_5", "squeezenet1_0", "squeezenet1_1",
    "swin_t", "swin_v2_t",
}  # fmt: skip
SIZES = {"inception_v3": 75, "alexnet": 63, "maxvit_t": 224}


def quick_or_slow(names: list[str]) -> list:
    return [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in names]


def cheap_values(tensor: torch.Tensor, *_, **__) -> torch.Tensor:
    """Stands for the functions of torch.nn.init, slow on the giants; keeps the spread of activations."""
    fan_in = tensor[0].numel() if tensor.ndim > 1 else tensor.numel()
    bound = math.sqrt(3 / max(fan_in, 1))
    with torch.no_grad():
        return tensor.uniform_(-bound, bound)


@pytest.fixture
def build(monkeypatch):
    """Makes a network of random weights and an input for it, as small as the network allows."""
    for name in ("trunc_normal_", "normal_", "kaiming_normal_", "kaiming_uniform_", "xavier_uniform_"):
        monkeypatch.setattr(nn.init, name, cheap_values)

    def make(name: str) -> tuple[nn.Module, torch.Tensor]:
        torch.manual_seed(0)
        vit = name.startswith("vit")
        patch = int(name.rsplit("_", 1)[1]) if vit else 0
        options = {"image_size": 2 * patch} if vit else {}
        if name in ("googlenet", "inception_v3"):
            options["init_weights"] = True
        network = torchvision.models.get_model(name, weights=None, **options).eval()
        size = 2 * patch or SIZES.get(name, 32)
        return network.requires_grad_(False), torch.randn(1 if size == 224 else 2, 3, size, size)

    return make


def assert_same_logits(found: torch.Tensor, expected: torch.Tensor) -> None:
    scale = expected.abs().max().item()
    assert scale > 0 and math.isfinite(scale)
    assert (found - expected).abs().max().item() <= 1e-4 * scale


@pytest.mark.parametrize("name", quick_or_slow(ALL))
def test_a_merged_network_gives_the_logits_of_the_adapted_one(name, build):
    network, x = build(name)
    kinds = [type(module) for module in network.modules()]
    with torch.no_grad():
        frozen = network(x)
        attach(network, LoraConfig(rank=2))
        assert torch.equal(network(x), frozen)
        perturb(network, 0.05)
        logits = network(x)
        assert not torch.allclose(logits, frozen)
        with adapters_off(network):
            assert torch.equal(network(x), frozen)
        merge(network)
        assert_same_logits(network(x), logits)
    assert kinds == [type(module) for module in network.modules()]


@pytest.mark.parametrize("name", ["vit_b_16", "swin_t", "swin_v2_t", "maxvit_t", "mobilenet_v3_small"])
def test_a_gradient_reaches_every_adapter_also_where_a_weight_is_read_and_not_called(name, build):
    network, x = build(name)
    attach(network, LoraConfig(rank=2))
    perturb(network, 0.05)
    network(x).square().sum().backward()
    layers = adapted_layers(network)
    without = [
        key for key, layer in layers.items() if any(p.grad is None for p in layer.adapters.parameters())
    ]
    assert not without
    still = [
        key for key, layer in layers.items() if not all(p.grad.any() for p in layer.adapters.parameters())
    ]
    assert not still
    with torch.no_grad():
        logits = network.eval()(x)
        with merged(network):
            assert_same_logits(network(x), logits)
