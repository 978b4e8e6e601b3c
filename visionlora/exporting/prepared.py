"""The module that is exported: a plain network, with normalisation and half precision around it."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from visionlora.data.images.preprocessing import Preprocessing


class Normalised(nn.Module):
    """A network that takes bytes, uint8 (images, crop, crop, 3), and normalises them itself."""

    scale: Tensor
    shift: Tensor

    def __init__(self, network: nn.Module, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.network = network
        scale, shift = normalisation(preprocessing)
        self.register_buffer("scale", scale)
        self.register_buffer("shift", shift)

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images.permute(0, 3, 1, 2).float() * self.scale + self.shift)


class Maps(nn.Module):
    """A segmentation network that gives its logits alone, (images, classes, height, width)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images)["out"]


class Half(nn.Module):
    """A network that computes in float16; its input and output are float32."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).half()

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images.half()).float()


def normalisation(preprocessing: Preprocessing) -> tuple[Tensor, Tensor]:
    """(scale, shift), each (3, 1, 1): of bytes to the network's input."""
    mean, std = torch.tensor(preprocessing.mean), torch.tensor(preprocessing.std)
    return (1 / (255 * std)).view(3, 1, 1), (-mean / std).view(3, 1, 1)


def prepared(
    network: nn.Module, preprocessing: Preprocessing, precision: str, preprocess: str
) -> tuple[nn.Module, Tensor]:
    """The module to export, and an example of its input.

    Args:
        network: plain, in eval mode, on the CPU.
        preprocessing: of its input.
        precision: float32 or float16.
        preprocess: none or normalise.
    """
    side = preprocessing.crop
    module: nn.Module = Half(network) if precision == "float16" else network
    if preprocess == "none":
        return module.eval(), torch.zeros(2, 3, side, side)
    return Normalised(module, preprocessing).eval(), torch.zeros(2, side, side, 3, dtype=torch.uint8)
