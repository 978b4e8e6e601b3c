"""New blocks in a network: the same output at first, to the bit, and then only they are trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torchvision import models

from visionlora.adapters import (
    LoraConfig,
    LoraError,
    adapted_layers,
    adapter_parameters,
    adapters_off,
    attach,
    merge,
    save_loralib,
    save_lycoris,
    save_peft,
    scaled,
)
from visionlora.adapters.attaching import attach_layers
from visionlora.errors import VisionLoraError
from visionlora.frozen.growth import growth_parameters, growths
from visionlora.frozen.split import split
from visionlora.models.expand import expand, expand_at, growable

QUICK = ("resnet18", "mobilenet_v2", "squeezenet1_1")
SLOW = (
    "resnet50", "resnext50_32x4d", "regnet_y_400mf", "convnext_tiny", "efficientnet_b0", "efficientnet_v2_s",
    "mobilenet_v3_small", "mnasnet0_5", "vgg11", "vgg11_bn", "squeezenet1_0",
)  # fmt: skip
FAMILIES = [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]


def network_of(name: str) -> nn.Module:
    """With statistics and scales as training leaves them."""
    torch.manual_seed(0)
    network = models.get_model(name, weights=None, num_classes=5)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, _BatchNorm):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.1)
            if hasattr(module, "layer_scale"):
                module.layer_scale.normal_(0, 0.3)
    return network.eval()


X = torch.linspace(-2, 2, 3 * 64 * 64).sin().view(1, 3, 64, 64)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_output_is_the_same_to_the_bit_until_the_new_blocks_are_trained(name: str) -> None:
    network = network_of(name)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with torch.no_grad():
        expected = network(X)
        expand(network, len(growable(network)))
        assert torch.equal(network(X), expected)
    attach_layers(network, {})
    trained = growth_parameters(network)
    for parameter in trained:
        parameter.requires_grad_(True)
    optimizer = torch.optim.AdamW(trained, lr=0.01)
    for _ in range(2):  # at first only the end of each branch has a gradient
        optimizer.zero_grad()
        network(X).square().sum().backward()
        optimizer.step()
    assert all(parameter.grad is not None for parameter in trained)
    assert sum(bool(parameter.grad.any()) for parameter in trained) > len(trained) / 2
    after = network.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    with torch.no_grad():
        assert not torch.equal(network(X), expected)
        with adapters_off(network):
            assert torch.equal(network(X), expected)
        with scaled(network, 0):
            torch.testing.assert_close(network(X), expected)


def test_strength_scales_the_branches_of_the_new_blocks() -> None:
    network = network_of("squeezenet1_1")
    expand(network, 1)
    (growth,) = growths(network).values()
    with torch.no_grad():
        for parameter in growth.parameters():
            parameter.normal_(0, 0.01)
        with scaled(network, 0.5):
            halved = network(X)
        for parameter in growth.parameters():
            parameter.mul_(0.5)
        torch.testing.assert_close(network(X), halved)


def test_blocks_are_chosen_evenly_and_the_last_one_is_among_them() -> None:
    assert list(growable(network_of("resnet18"))) == [
        "layer1.0", "layer1.1", "layer2.1", "layer3.1", "layer4.1"
    ]  # fmt: skip
    assert expand(network_of("squeezenet1_1"), 2) == ("features.7", "features.12")
    assert expand(network_of("resnet18"), 1) == ("layer4.1",)


def test_adapters_may_be_trained_beside_new_blocks() -> None:
    network = network_of("resnet18")
    expand(network, 2)
    expected = network(X)
    attach(network, LoraConfig(rank=2, targets=r"layer4\.1\.conv\d", exclude=r".*growth.*"))
    for parameter in growth_parameters(network):
        parameter.requires_grad_(True)
    torch.testing.assert_close(network(X), expected)
    trained = {name for name, one in network.named_parameters() if one.requires_grad}
    assert any("lora_A" in name for name in trained) and any("growth" in name for name in trained)
    assert all("lora" in name or "growth" in name for name in trained)


def test_merging_and_files_of_others_refuse_new_blocks_unless_they_are_to_be_kept(tmp_path: Path) -> None:
    network = network_of("resnet18")
    expand(network, 1)
    attach(network, LoraConfig(rank=2, targets="classifier"))
    for parameter in (*growth_parameters(network), *adapter_parameters(network)):
        nn.init.normal_(parameter, 0, 0.05)
    expected, trained = network(X), adapted_layers(network)
    with pytest.raises(LoraError, match="The network has new blocks"):
        merge(network)
    for save, name in ((save_peft, "p"), (save_lycoris, "a.safetensors"), (save_loralib, "a.pt")):
        with pytest.raises(LoraError, match=r"new blocks .*, which .* has no place for"):
            save(network, tmp_path / name)
        assert not (tmp_path / name).exists()
    assert adapted_layers(network) == trained
    merge(network, keep_blocks=True)
    assert growths(network) and not adapted_layers(network)
    torch.testing.assert_close(network(X), expected, rtol=1e-4, atol=1e-5)


def test_frozen_features_below_the_first_new_block_are_the_same_with_it_on_and_off() -> None:
    network = network_of("squeezenet1_1")
    expand(network, 1)
    attach_layers(network, {})
    for parameter in growth_parameters(network):
        nn.init.normal_(parameter, 0, 0.01).requires_grad_(True)
    parts = split(network)
    assert parts is not None and parts.layer == "features.12.growth"
    with torch.no_grad():
        torch.testing.assert_close(parts.suffix(*parts.prefix(X)), network(X))
        whole = network(X)
        with adapters_off(parts.suffix):  # as the teacher does
            frozen = parts.suffix(*parts.prefix(X))
            assert torch.equal(network(X), frozen)
        assert not torch.equal(frozen, whole)


def test_a_network_without_such_blocks_and_too_many_of_them_are_refused() -> None:
    with pytest.raises(VisionLoraError, match="AlexNet has no block that can be copied; use a ResNet"):
        expand(models.alexnet(num_classes=5), 1)
    with pytest.raises(VisionLoraError, match=r"model\.expand=9: the SqueezeNet has 8 blocks"):
        expand(network_of("squeezenet1_1"), 9)
    with pytest.raises(VisionLoraError, match="no block 'classifier' that can be copied"):
        expand_at(network_of("squeezenet1_1"), ["classifier"])
    with pytest.raises(VisionLoraError, match=r"names the block 'features\.7' twice"):
        expand_at(network_of("squeezenet1_1"), ["features.7", "features.12", "features.7"])


def test_the_real_squeezenet_gives_the_same_logits_to_the_bit(real: Path) -> None:
    from visionlora.models import load_backbone

    network = load_backbone("squeezenet1_0", str(real / "squeezenet1_0-imagenet.safetensors")).model
    images = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = network(images)
        expand(network, 8)
        assert torch.equal(network(images), expected)
