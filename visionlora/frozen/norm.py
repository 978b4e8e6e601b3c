"""Layers whose running statistics are frozen, and the affine map that a frozen batch norm is."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.parametrizations import _SpectralNorm
from torch.nn.utils.spectral_norm import SpectralNorm

from visionlora.frozen.swap import Swapped, swap, swap_back


class FrozenStatistics(Swapped):
    """A layer whose running statistics never move, whatever `train()` is told."""

    prefix = "Frozen"
    was_training: bool

    def train(self, mode: bool = True) -> FrozenStatistics:
        """Stay in eval mode, and remember what was asked for; layers inside do as they are told."""
        super().train(mode)
        self.was_training, self.training = mode, False
        return self


class FrozenBatchNorm(FrozenStatistics):
    """A batch-norm layer, frozen."""


def keeps_statistics(module: nn.Module) -> bool:
    """Whether a layer may change tensors of its own in training without an optimizer: batch norm, instance
    norm with statistics, timm's EvoNorm and every other layer with buffers called `running_...`, and the
    vectors of spectral norm's power iteration."""
    if isinstance(module, torch.jit.ScriptModule):
        return False  # compiled: it can be given no other class
    if isinstance(module, _BatchNorm | _SpectralNorm):
        return True
    running = (
        key for key, held in module._buffers.items() if held is not None and key.startswith("running_")
    )
    hooks = module._forward_pre_hooks.values()
    return any(running) or any(isinstance(hook, SpectralNorm) for hook in hooks)


def freeze_statistics(layer: nn.Module) -> None:
    """Freeze a layer's statistics, in place."""
    was_training = layer.training
    frozen = swap(layer, FrozenBatchNorm if isinstance(layer, _BatchNorm) else FrozenStatistics)
    frozen.was_training, frozen.training = was_training, False


def unfreeze_statistics(layer: FrozenStatistics) -> None:
    """Make it the layer that it was, in the mode that it was put in last."""
    was_training = vars(layer).pop("was_training")
    swap_back(layer).training = was_training


def is_plain_norm(norm: nn.Module) -> bool:
    """Whether a batch-norm layer computes what `nn.BatchNorm*d` computes and nothing more.

    Subclasses with a forward pass of their own may do more (timm's BatchNormAct2d applies an activation).
    """
    return getattr(type(norm), "base_class", type(norm)).forward is _BatchNorm.forward


@torch.no_grad()
def scale_and_shift(norm: Any, bias: Tensor | None, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """A frozen batch norm as `scale * y + shift` of each channel (Ioffe and Szegedy 2015, section 3.1).

    Args:
        norm: with running statistics.
        bias: (channels,), added to its input before; None for none.
        dtype: to compute in.

    Returns:
        scale = gamma / sqrt(var + eps) and shift = beta + scale * (bias - mean), each (channels,).
    """
    scale = (norm.running_var.to(dtype) + norm.eps).rsqrt()
    scale = scale if norm.weight is None else scale * norm.weight
    mean = norm.running_mean
    shift = (-mean.to(dtype) if bias is None else bias.to(dtype) - mean) * scale
    return scale, shift if norm.bias is None else shift + norm.bias
