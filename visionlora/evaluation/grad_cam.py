"""Grad-CAM: which parts of an image speak for a class (Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def last_feature_map(network: nn.Module, images: Tensor) -> str | None:
    """The name of the last module whose output still has places: (batch, channels, height, width).

    None where there is no such module, or where attention follows it: what a place of its output says has
    then been mixed with all others.

    Args:
        network: in eval mode.
        images: the network's input.
    """
    found: list[str] = []

    def note(name: str, module: nn.Module, output: object) -> None:
        if isinstance(module, nn.MultiheadAttention):
            found.clear()
        elif isinstance(output, Tensor) and output.dim() == 4 and min(output.shape[2:]) > 1:
            found.append(name)

    hooks = [
        module.register_forward_hook(lambda module, _, output, name=name: note(name, module, output))
        for name, module in network.named_modules()
        if name
    ]
    try:
        with torch.no_grad():
            network(images[:1])
    finally:
        for hook in hooks:
            hook.remove()
    return found[-1] if found else None


def grad_cam(network: nn.Module, images: Tensor, layer: str) -> tuple[Tensor, Tensor]:
    """Where the network sees the class that it predicts.

    Equations 1 and 2: the channels of the layer's output, weighted by the mean over places of the gradient of
    the class's logit, summed, negative values cut off.

    Args:
        network: in eval mode; its parameters get no gradient.
        images: its input, shape (batch, 3, height, width).
        layer: the name of the module whose output is looked at (:func:`last_feature_map`).

    Returns:
        The maps, 0 to 1 in each image, shape (batch, height, width) of the images; and the predicted outputs,
        int64, shape (batch,).
    """
    kept: list[Tensor] = []

    def keep(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        kept.append(output.detach().clone().requires_grad_(True))
        # A copy goes on: what follows may change it in place.
        return kept[-1].clone()

    hook = network.get_submodule(layer).register_forward_hook(keep)
    try:
        with torch.enable_grad():
            logits = network(images)
            best = logits.max(1)
            (gradient,) = torch.autograd.grad(best.values.sum(), kept[-1])
    finally:
        hook.remove()
    features = kept[-1].detach()
    maps = (gradient.mean((2, 3), keepdim=True) * features).sum(1, keepdim=True).relu()
    maps = F.interpolate(maps.float(), images.shape[2:], mode="bilinear", align_corners=False)[:, 0]
    largest = maps.amax((1, 2), keepdim=True)
    return (maps / largest.clamp(min=1e-12)).cpu(), best.indices.cpu()
