"""Block expansion: copies of a network's blocks that take the new knowledge (LLaMA-Pro, Wu et al. 2024,
https://arxiv.org/abs/2401.02415, section 3.2), for convolutional networks.

A copy stands after its original. The last norm or layer scale of its residual branch starts at zero, so the
copy starts as the identity, to the bit. Networks without residual connections get an identity-initialised
convolution with a ReLU after a ReLU or a Fire module, whose outputs are not negative.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import torch
from torch import nn
from torchvision.models import convnext, efficientnet, mnasnet, mobilenetv2, mobilenetv3, regnet, resnet
from torchvision.models.squeezenet import Fire
from torchvision.models.vgg import VGG

from visionlora.errors import VisionLoraError
from visionlora.frozen.growth import ChannelAffine, Gate, IdentityConv, grow, growth_parameters, without_norms
from visionlora.text import brief

FAMILIES = "ResNet, ResNeXt, RegNet, ConvNeXt, EfficientNet, MobileNetV2 and V3, MNASNet, VGG or SqueezeNet"
_NewBlock = Callable[[], nn.Module]


def expand(model: nn.Module, count: int) -> tuple[str, ...]:
    """Put new blocks after so many of a network's, evenly spaced and the last one among them, in place.

    Args:
        model: a plain network, in eval mode.
        count: at least 1.

    Returns:
        The names of the blocks that were chosen.

    Raises:
        VisionLoraError: the network has fewer such blocks, or none.
    """
    names = list(growable(model))
    if not names:
        raise VisionLoraError(
            f"model.expand: {type(model).__name__} has no block that can be copied; use a {FAMILIES}"
        )
    if count > len(names):
        raise VisionLoraError(
            f"model.expand={count}: the {type(model).__name__} has {len(names)} blocks that can be copied; "
            f"use at most {len(names)}"
        )
    chosen = tuple(names[(place + 1) * len(names) // count - 1] for place in range(count))
    expand_at(model, chosen)
    return chosen


def expand_at(model: nn.Module, names: Sequence[str]) -> None:
    """Put new blocks after these blocks, in place; only they are trained.

    Raises:
        VisionLoraError: there is no such block, or one is named twice.
    """
    known = growable(model)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise VisionLoraError(f"{type(model).__name__} has no block {brief(unknown[0])} that can be copied")
    twice = [name for place, name in enumerate(names) if name in names[:place]]
    if twice:
        raise VisionLoraError(f"expand names the block {brief(twice[0])} twice; a block is copied once")
    for name in names:
        grow(model.get_submodule(name), known[name]().eval())
    model.requires_grad_(False)
    for parameter in growth_parameters(model):
        parameter.requires_grad_(True)


def growable(model: nn.Module) -> dict[str, _NewBlock]:
    """The blocks that can be followed by a new one, by name, and what makes it."""
    if isinstance(model, VGG):
        return _after_relus(cast(nn.Sequential, model.features))
    found: dict[str, _NewBlock] = {}
    for name, module in model.named_modules():
        copies = _copied(module)
        if copies is not None:
            found[name] = copies
    return found


def _after_relus(features: nn.Sequential) -> dict[str, _NewBlock]:
    found: dict[str, _NewBlock] = {}
    conv: nn.Conv2d | None = None
    for place, module in enumerate(features):
        if isinstance(module, nn.Conv2d):
            conv = module
        elif isinstance(module, nn.ReLU) and conv is not None:
            found[f"features.{place}"] = _identity(conv.out_channels, 3, conv.weight)
    return found


def _identity(channels: int, size: int, like: torch.Tensor) -> _NewBlock:
    return partial(IdentityConv, channels, size, like)


def _copied(block: Any) -> _NewBlock | None:
    """What makes the new block after this one; None where it gets none: it changes the size of its input."""
    if isinstance(block, Fire):
        channels = block.expand1x1.out_channels + block.expand3x3.out_channels
        return _identity(channels, 1, block.squeeze.weight)
    if isinstance(block, (resnet.BasicBlock, resnet.Bottleneck)):
        last = "bn3" if isinstance(block, resnet.Bottleneck) else "bn2"
        return partial(_zero_copy, block, last, last) if block.downsample is None else None
    for kind, connects, branch in _RESIDUAL:
        if isinstance(block, kind):
            return partial(_zero_copy, block, branch) if connects(block) else None
    return None


_RESIDUAL: tuple[tuple[type[nn.Module], Callable[[Any], bool], str], ...] = (
    (mobilenetv2.InvertedResidual, lambda block: block.use_res_connect, "conv"),
    (mobilenetv3.InvertedResidual, lambda block: block.use_res_connect, "block"),
    (efficientnet.MBConv, lambda block: block.use_res_connect, "block"),
    (efficientnet.FusedMBConv, lambda block: block.use_res_connect, "block"),
    (mnasnet._InvertedResidual, lambda block: block.apply_residual, "layers"),
    (regnet.ResBottleneckBlock, lambda block: block.proj is None, "f"),
    (convnext.CNBlock, lambda block: True, "block"),
)
"""Kinds of blocks, whether one adds its input to its branch, and the name of the branch."""


def _zero_copy(block: nn.Module, branch: str, last: str | None = None) -> nn.Module:
    """A copy of a block whose branch gives zero, with a gate at its end.

    Args:
        block: adds its input to its branch.
        branch: the name of the branch, or of its last module.
        last: the name of its last norm; None: the last one in the branch, or the block's layer scale.
    """
    new: Any = copy.deepcopy(block)
    without_norms(new)
    if isinstance(new, convnext.CNBlock):
        nn.init.zeros_(new.layer_scale)
    else:
        end = new.get_submodule(last or branch)
        norms = [module for module in end.modules() if isinstance(module, ChannelAffine)]
        norms[-1].zero()
    new.set_submodule(branch, nn.Sequential(new.get_submodule(branch), Gate()))
    return new
