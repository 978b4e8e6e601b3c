"""A batch whose images use different adapters gives what each image gets alone."""

from __future__ import annotations

import copy

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torchvision.models import SwinTransformer, VisionTransformer
from torchvision.models.convnext import CNBlockConfig, ConvNeXt

from tests.adapters.networks import perturb, small_network
from visionlora.adapters import (
    LoraConfig,
    LoraError,
    activate,
    adapter_names,
    attach,
    detach,
    fold_batch_norm,
    load_adapter,
    save_adapter,
    scale,
)
from visionlora.adapters.mixed import predict_mixed

NAMES = ["b", "a", None, ("a", "b"), "c", "a", "b", None, "c"]


def resident(network: nn.Module, families: tuple[str, str, str]) -> nn.Module:
    for name, family in zip("abc", families, strict=True):
        attach(network, LoraConfig(family=family, rank=2), name=name)
        perturb(network, 0.1)
    return scale(network, 0.5).eval()


def one_by_one(network: nn.Module, images: Tensor) -> Tensor:
    outputs = []
    for image, names in zip(images, NAMES, strict=True):
        activate(network, *(() if names is None else (names,) if isinstance(names, str) else names))
        outputs.append(network(image[None]))
    return torch.cat(outputs)


BUILDS = {
    "small": small_network,
    "resnet": lambda: torchvision.models.ResNet(torchvision.models.resnet.BasicBlock, [1, 1, 1, 1]).eval(),
    "convnext": lambda: ConvNeXt([CNBlockConfig(8, 16, 1), CNBlockConfig(16, None, 1)], num_classes=5).eval(),
    "vit": lambda: VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=7).eval(),
    "swin": lambda: SwinTransformer([2, 2], 16, [1, 1], [2, 2], [4, 4], num_classes=5).eval(),
}
LOW_RANK = ("lora", "vera", "lora")


@pytest.mark.parametrize(
    ("build", "families"),
    [
        *((name, LOW_RANK) for name in BUILDS), ("small", ("lora", "dora", "full")),
        ("convnext", ("lokr", "ia3", "oft")),
    ],
)  # fmt: skip
def test_each_image_gets_what_it_gets_alone(build: str, families: tuple[str, str, str]) -> None:
    torch.manual_seed(0)
    network, images = resident(BUILDS[build](), families), torch.randn(len(NAMES), 3, 32, 32)
    active = activate(network, "b")
    with torch.no_grad():
        before = active(images)
        mixed = predict_mixed(network, images, NAMES)
        assert torch.equal(network(images), before), "the active adapter is what it was"
        alone = one_by_one(network, images)
    torch.testing.assert_close(mixed, alone, rtol=0, atol=2e-5 * float(alone.abs().max()))
    assert float((mixed - before).abs().max()) > 1e-3 * float(alone.abs().max())


def test_it_works_on_folded_norms_and_on_layers_that_some_adapters_lack() -> None:
    torch.manual_seed(0)
    network = small_network()
    for name, targets in (("a", "conv"), ("b", "linear"), ("c", "^0")):
        attach(network, LoraConfig(rank=2, targets=targets), name=name)
        perturb(network, 0.1)
    images = torch.randn(len(NAMES), 3, 9, 9)
    with torch.no_grad():
        alone = one_by_one(network, images)
        fold_batch_norm(network, images)
        torch.testing.assert_close(predict_mixed(network, images, NAMES), alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a"], "2 images and 1 adapters"),
        (["a", "z"], "no adapter 'z'"),
        (["a", ("b", "y")], "no adapter 'y'"),
    ],
)
def test_a_name_that_is_missing_is_refused(names: list, said: str) -> None:
    network = resident(small_network(), LOW_RANK)
    with pytest.raises(LoraError, match=said):
        predict_mixed(network, torch.randn(2, 3, 9, 9), names)
    with pytest.raises(LoraError, match="training mode"):
        predict_mixed(network.train(), torch.randn(1, 3, 9, 9), ["a"])


def test_an_adapter_of_several_families_goes_by_its_name(tmp_path) -> None:
    torch.manual_seed(0)
    images = torch.randn(3, 3, 9, 9)
    network = small_network()
    for name in ("first", "second"):
        saved = attach(copy.deepcopy(network), LoraConfig(rank=2, bias="lora_only"))
        perturb(saved, 0.1)
        save_adapter(saved, tmp_path / name)
    for name in ("first", "second"):
        load_adapter(network, tmp_path / name, name=name)
    with torch.no_grad():
        found = predict_mixed(network, images, ["second", "first", None])
        for place, name in enumerate(("second", "first")):
            alone = load_adapter(small_network_like(network), tmp_path / name)
            torch.testing.assert_close(found[place], alone(images)[place], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(activate(network, name)(images), alone(images), rtol=1e-4, atol=1e-5)
    assert adapter_names(detach(network, "first")) == ("second", "second_bias")


def small_network_like(network: nn.Module) -> nn.Module:
    """The plain network, with the same weights."""
    plain = small_network()
    plain.load_state_dict({key: one for key, one in network.state_dict().items() if "adapters" not in key})
    return plain
