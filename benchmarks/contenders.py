"""The contenders: the frozen floor, full fine-tuning, ours, and other libraries as they document it.

A contender turns a plain network into one that is ready to train. A new variant is one more line in
`CONTENDERS`.
"""

from __future__ import annotations

import difflib
import importlib.util
import logging
import math
import re
import types
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from visionlora.adapters import LoraConfig, adapter_parameters, attach
from visionlora.errors import VisionLoraError


@dataclass(frozen=True)
class Ready:
    """A network to call, the trained parameters, and the number of adapted layers.

    `companions` are modules outside the network that its forward uses and that have to be moved with it.
    `folds`: whether to fold frozen batch norm once the network is on its device.
    """

    model: nn.Module
    trainable: list[nn.Parameter]
    layers: int
    companions: tuple[nn.Module, ...] = ()
    folds: bool = False


Build = Callable[[nn.Module, Sequence[str], int], Ready]


@dataclass(frozen=True)
class Contender:
    """One training method.

    `build(network, layers, rank)` changes the network in place. `can(layer, rank)` tells which layers it can
    adapt. A contender that is not `usual` is timed only if it is named.
    """

    name: str
    build: Build
    can: Callable[[nn.Module, int], bool] | None = None
    package: str | None = None
    usual: bool = True

    @property
    def installed(self) -> bool:
        return self.package is None or importlib.util.find_spec(self.package) is not None


def build_floor(network: nn.Module, layers: Sequence[str], rank: int) -> Ready:
    """Forward and backward to the input in eval mode; nothing is trained."""
    return Ready(network.eval().requires_grad_(False), [], 0)


def build_full(network: nn.Module, layers: Sequence[str], rank: int) -> Ready:
    """Every parameter is trained."""
    network.requires_grad_(True)
    return Ready(in_training(network), list(network.parameters()), 0)


def build_ours(network: nn.Module, layers: Sequence[str], rank: int) -> Ready:
    """As `python -m visionlora.train` does it: `attach`, then `fold_batch_norm`."""
    return replace(build_unfolded(network, layers, rank), folds=True)


def build_unfolded(network: nn.Module, layers: Sequence[str], rank: int) -> Ready:
    """`attach` alone; the names of layers are anchored, because `0` would also match `block.0`."""
    targets = [f"(?<!.){re.escape(name)}" for name in layers]
    attach(network, LoraConfig(rank=rank, alpha=float(rank), targets=targets))
    trainable = list(adapter_parameters(network))
    return Ready(in_training(network), trainable, len(trainable) // 2)


def build_peft(network: nn.Module, layers: Sequence[str], rank: int) -> Ready:
    """https://huggingface.co/docs/peft/developer_guides/custom_models"""
    import peft
    from peft.tuners.lora import LoraLayer

    pattern = "|".join(re.escape(name) for name in layers)
    config = peft.LoraConfig(r=rank, lora_alpha=rank, lora_dropout=0.0, target_modules=pattern)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model = peft.get_peft_model(network, config)
    count = sum(isinstance(module, LoraLayer) for module in model.modules())
    return Ready(in_training(model), trained_by(model), count)


def build_loralib(network: nn.Module, layers: Sequence[str], rank: int) -> Ready:
    """The formula of https://github.com/microsoft/LoRA/blob/main/loralib/layers.py, implemented here: the
    package has its own layers and cannot adapt an existing network.

    With a k x k kernel its A is (r k, in k) and its B (out k, r k): an update of rank r k for rank r.
    """
    network.requires_grad_(False)
    for name in layers:
        layer: Any = network.get_submodule(name)
        out, inner = layer.weight.shape[:2]
        k = layer.kernel_size[0] if isinstance(layer, nn.Conv2d) else 1
        A = nn.Parameter(layer.weight.new_empty(rank * k, int(inner) * k))
        nn.init.kaiming_uniform_(A, a=math.sqrt(5))
        layer.lora_A = A
        layer.lora_B = nn.Parameter(A.new_zeros(int(out) * k, rank * k))
        forward = _loralib_conv if isinstance(layer, nn.Conv2d) else _loralib_linear
        layer.forward = types.MethodType(forward, layer)
    return Ready(in_training(network), trained_by(network), len(layers))


def _loralib_conv(layer: Any, x: Tensor) -> Tensor:
    # Scaling is alpha / r = 1 for every contender.
    weight = layer.weight + (layer.lora_B @ layer.lora_A).view(layer.weight.shape) * 1.0
    return F.conv2d(x, weight, layer.bias, layer.stride, layer.padding, layer.dilation, layer.groups)


def _loralib_linear(layer: Any, x: Tensor) -> Tensor:
    result = F.linear(x, layer.weight, bias=layer.bias)
    return result + (x @ layer.lora_A.transpose(0, 1) @ layer.lora_B.transpose(0, 1)) * 1.0


def build_lycoris(network: nn.Module, layers: Sequence[str], rank: int) -> Ready:
    """LoCon."""
    return lycoris(network, layers, rank, algo="locon")


def lycoris(network: nn.Module, layers: Sequence[str], rank: int, **arguments: Any) -> Ready:
    """With the standalone wrapper: https://github.com/KohakuBlueleaf/LyCORIS#in-your-own-script"""
    logging.getLogger("LyCORIS").setLevel(logging.ERROR)
    from lycoris import LycorisNetwork, create_lycoris  # type: ignore[import-untyped,unused-ignore]

    logging.getLogger("LyCORIS").setLevel(logging.ERROR)  # its import sets INFO
    names = [f"{re.escape(name)}$" for name in layers]
    LycorisNetwork.apply_preset({"target_module": [], "target_name": names})
    network.requires_grad_(False)
    adapters = create_lycoris(network, 1.0, linear_dim=rank, linear_alpha=rank, **arguments)
    adapters.apply_to()
    adapters.train()
    return Ready(in_training(network), list(adapters.parameters()), len(adapters.loras), (adapters,))


def _square_and_dense(layer: nn.Module, rank: int) -> bool:
    if isinstance(layer, nn.Conv2d):
        return layer.groups == 1 and layer.kernel_size[0] == layer.kernel_size[1]
    return True


def _rank_divisible_by_groups(layer: nn.Module, rank: int) -> bool:
    return not isinstance(layer, nn.Conv2d) or rank % layer.groups == 0


def _any_layer(layer: nn.Module, rank: int) -> bool:
    return True


CONTENDERS = (
    Contender("floor", build_floor),
    Contender("full", build_full),
    Contender("ours", build_ours, _any_layer),
    Contender("ours, unfolded", build_unfolded, _any_layer, usual=False),
    Contender("PEFT", build_peft, _rank_divisible_by_groups, package="peft"),
    Contender("loralib", build_loralib, _square_and_dense),
    Contender("LyCORIS", build_lycoris, _any_layer, package="lycoris"),
)


def trained_by(model: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def in_training(model: nn.Module) -> nn.Module:
    """Training mode with frozen batch-norm statistics, for every contender."""
    model.train()
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.eval()
    return model


def fresh_network(name: str, size: int, seed: int = 0) -> nn.Module:
    """A torchvision network with random weights and batch-norm statistics that fit them, on the CPU, in
    channels_last.

    Otherwise activations shrink from layer to layer down to denormal numbers, which processors handle slowly.

    Raises:
        VisionLoraError: torchvision has no network of this name.
    """
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        close = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or ["resnet50", "vgg19"]
        raise VisionLoraError(f"torchvision has no network {name!r}; close names: {', '.join(close)}.")
    torch.manual_seed(seed)
    options = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
    network: nn.Module = models.get_model(name, weights=None, **options)
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    if norms:
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.momentum = 1.0
        with torch.no_grad():
            network.train()(torch.randn(4, 3, size, size))
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
    return network.to(memory_format=torch.channels_last)
