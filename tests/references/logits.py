"""Prints the logits of adapted networks as JSON: `python -m tests.references.logits resnet18 vit_b_16`."""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

import torch
from torchvision import models

from visionlora.adapters import LoraConfig, adapter_parameters, attach
from visionlora.kernels.autotune import implementation

SIZES = {"vit_b_16": 224, "inception_v3": 96}
FIRST = 8
OPTIONS: dict[str, dict[str, Any]] = {
    "googlenet": {"aux_logits": False, "init_weights": True},
    "inception_v3": {"aux_logits": False, "init_weights": True},
}


def perturbed(name: str) -> dict[str, Any]:
    """A network with random weights and random adapters, asked about two random images."""
    torch.manual_seed(0)
    network = models.get_model(name, weights=None, **OPTIONS.get(name, {})).eval()
    attach(network, LoraConfig(rank=2), generator=torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in adapter_parameters(network):
            std = 0.3 * parameter[0].numel() ** -0.5
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * std)
    size = SIZES.get(name, 64)
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(3))
    images.requires_grad_(True)  # so that the layers compute as they do in training
    with implementation("rule"):
        out = network(images).detach()
    return {
        "sha256": hashlib.sha256(out.numpy().tobytes()).hexdigest(),
        "first": out[:, :FIRST].flatten().tolist(),
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps({name: perturbed(name) for name in sys.argv[1:]}, allow_nan=False))
