"""Networks that adapters travel between, of the usual architectures and few channels."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import timm
import torch
import torchvision
from torch import nn
from torchvision.models.convnext import CNBlockConfig


def vgg11() -> nn.Module:
    layers = torchvision.models.vgg.make_layers([4, "M", 8, "M", 8, 8, "M", 8, 8, "M", 8, 8, "M"])
    with torch.device("meta"):  # its own classifier is huge
        network = torchvision.models.VGG(nn.Identity(), init_weights=False)
    network.features = layers
    network.classifier = nn.Sequential(nn.Linear(8 * 49, 16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 10))
    return network


def resnet18() -> nn.Module:
    return torchvision.models.ResNet(torchvision.models.resnet.BasicBlock, [2, 2, 2, 2], num_classes=10)


def mobilenet_v2() -> nn.Module:
    return torchvision.models.MobileNetV2(10, width_mult=0.25)


def convnext() -> nn.Module:
    stages = [CNBlockConfig(16, 32, 1), CNBlockConfig(32, 48, 1), CNBlockConfig(48, None, 1)]
    return torchvision.models.ConvNeXt(stages, num_classes=10)


def timm_resnet() -> nn.Module:
    """Its norms are BatchNormAct2d."""
    return timm.create_model(
        "resnetv2_50", layers=[1, 1, 1, 1], channels=[16, 32, 64, 64], stem_chs=16, num_classes=16
    )


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    one.__name__: one for one in (vgg11, resnet18, mobilenet_v2, convnext, timm_resnet)
}


@cache
def _state(name: str) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    network = NETWORKS[name]()
    for module in network.modules():  # statistics as of a trained network
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
        if hasattr(module, "layer_scale"):  # starts so small that no block would matter
            nn.init.constant_(module.layer_scale, 0.5)
    return network.state_dict()


def build(name: str) -> nn.Module:
    """The network, the same each time, in eval mode."""
    with torch.device("meta"):  # no time for starts that are replaced
        network = NETWORKS[name]()
    network.load_state_dict({key: one.clone() for key, one in _state(name).items()}, assign=True)
    return network.eval()


def images() -> torch.Tensor:
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(5))
