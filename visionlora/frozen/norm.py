"""Frozen batch norm, and the affine map that it is."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from visionlora.frozen.swap import Swapped, swap, swap_back


class FrozenBatchNorm(Swapped):
    """A batch-norm layer whose running statistics never move, whatever `train()` is told."""

    prefix = "Frozen"
    was_training: bool

    def train(self, mode: bool = True) -> FrozenBatchNorm:
        """Stay in eval mode, and remember what was asked for."""
        self.was_training = mode
        return super().train(False)


def freeze_norm(norm: nn.Module) -> None:
    """Freeze a batch-norm layer's statistics, in place."""
    was_training = norm.training
    swap(norm, FrozenBatchNorm).train(was_training)


def unfreeze_norm(norm: FrozenBatchNorm) -> None:
    """Make it the layer that it was, in the mode that it was put in last."""
    was_training = vars(norm).pop("was_training")
    swap_back(norm).train(was_training)


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
