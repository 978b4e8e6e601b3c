from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from visionlora.adapters import LoraConfig, adapted_layers, adapters_off, attach, merged
from visionlora.adapters.collect import weight_gradients
from visionlora.frozen.split import Split, split


def adapted(network: nn.Module, targets: str) -> nn.Module:
    """With updates that are not zero."""
    torch.manual_seed(1)
    attach(network.eval(), LoraConfig(rank=2, targets=[targets]))
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("lora_B"):
                parameter.normal_(0, 0.1)
    return network


def same(one: Tensor, other: Tensor) -> bool:
    """To a hundred thousandth of the largest number."""
    return float((one - other).abs().max()) <= 1e-5 * float(other.abs().max())


def parts_of(network: nn.Module, random: tuple[type[nn.Module], ...] = ()) -> Split:
    parts = split(network, random)
    assert parts is not None
    return parts


@pytest.mark.parametrize(
    ("name", "targets", "layer"),
    [
        ("vgg11", "classifier", "classifier.0"),
        ("vgg11", "last:5", "features.16"),
        ("resnet18", "last:1", "fc"),
        ("resnet18", "last:6", "layer4.0.conv1"),
        ("squeezenet1_1", "last:7", "features.11.squeeze"),
        ("densenet121", "classifier", "classifier"),
        ("mobilenet_v2", "last:8", "features.16.conv.0.0"),
        ("shufflenet_v2_x0_5", "last:1", "fc"),
        ("convnext_tiny", "classifier", "classifier.2"),
        ("vit_b_16", "last:1", "heads.head"),
    ],
)
def test_the_parts_together_are_the_network(name: str, targets: str, layer: str) -> None:
    options = {"image_size": 64} if "vit" in name else {}
    network = adapted(torchvision.models.get_model(name, **options), targets)
    parts = parts_of(network)
    assert parts.layer == layer
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        values = parts.prefix(images)
        assert same(parts.suffix(*values), network(images))
        with adapters_off(network):
            assert same(parts.suffix(*values), network(images))
        with merged(network):
            assert same(parts.suffix(*values), network(images))


@pytest.mark.parametrize("targets", ["classifier", "last:5"])
def test_gradients_are_those_of_the_whole_network(targets: str) -> None:
    network = adapted(torchvision.models.vgg11(num_classes=5), targets)
    parts = parts_of(network)
    images = torch.randn(2, 3, 64, 64)
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    whole = torch.autograd.grad(network(images).square().mean(), trained)
    with torch.no_grad():
        values = parts.prefix(images)
    rest = torch.autograd.grad(parts.suffix(*values).square().mean(), trained)
    torch.testing.assert_close(rest, whole, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("targets", ["classifier", "last:2", "last:4"])
def test_layers_that_stay_whole_get_gradients_of_their_frozen_weights(targets: str) -> None:
    network = adapted(torchvision.models.vgg11(num_classes=5), targets)
    parts = split(network, whole_layers=True)
    assert parts is not None
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        values = parts.prefix(images)
    whole = weight_gradients(network, lambda: network(images).square().mean())
    rest = weight_gradients(network, lambda: parts.suffix(*values).square().mean())
    for name in adapted_layers(network):
        torch.testing.assert_close(rest[name], whole[name], rtol=1e-3, atol=1e-6)


def test_nothing_lies_below_where_the_first_layer_is_adapted() -> None:
    assert split(adapted(torchvision.models.resnet18(), "all")) is None


def test_active_dropout_is_not_part_of_what_is_computed_once() -> None:
    network = adapted(torchvision.models.vgg11(), "last:1")
    assert parts_of(network).layer == "classifier.6"
    dropped = parts_of(network, (nn.Dropout,))
    assert dropped.layer == "classifier.2"
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(dropped.suffix(*dropped.prefix(images)), network(images))


def test_a_network_whose_adapted_weights_are_read_and_not_called_stays_whole() -> None:
    class Reads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Conv2d(3, 4, 3)
            self.head = nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return F.linear(self.body(x).mean((2, 3)), self.head.weight, self.head.bias)

    assert split(adapted(Reads(), "head")) is None


def test_a_network_that_cannot_be_traced_stays_whole() -> None:
    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Conv2d(3, 4, 3)
            self.head = nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.body(x).mean((2, 3))
            return self.head(x if x.sum() > 0 else -x)

    assert split(adapted(Branches(), "head")) is None


def test_a_value_that_a_later_layer_needs_too_is_no_place_to_split() -> None:
    class Skips(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 4, 3, padding=1)
            self.second = nn.Conv2d(4, 4, 3, padding=1)
            self.third = nn.Conv2d(4, 4, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            x = self.first(x)
            return self.third(self.second(x)) + x

    network = adapted(Skips(), "third")
    parts = parts_of(network)
    # Between the first and the second convolution: after the second one two tensors are needed.
    assert parts.frozen_layers == 1
    images = torch.randn(1, 3, 8, 8)
    with torch.no_grad():
        (value,) = parts.prefix(images)
        torch.testing.assert_close(value, network.get_submodule("first")(images))
        torch.testing.assert_close(parts.suffix(value), network(images))


class Checked(nn.Module):
    """Asks about its input what only a tensor can answer."""

    def __init__(self, question: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.question = question
        self.below, self.above = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        assert self.question(x)
        return self.above(self.below(x))


@pytest.mark.parametrize(
    "question",
    [
        lambda x: isinstance(x, Tensor),
        lambda x: {torch.float32: True}[x.dtype],
        lambda x: int(x.shape[1]) == 3,
    ],
)
def test_a_network_that_cannot_be_traced_is_not_split(question: Callable[[Tensor], object]) -> None:
    assert split(adapted(Checked(question), "above")) is None
