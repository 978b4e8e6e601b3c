"""The frozen rest of an adapted network: parameters, batch norm's statistics, grouped convolutions."""

from __future__ import annotations

from collections.abc import Container
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from visionlora.adapters.layers import FrozenBatchNorm, swap_class, swapped_class
from visionlora.frozen.weight import DenseWeight
from visionlora.kernels import Geometry, frozen_conv


class FrozenConv(nn.Module):
    """A frozen convolution with groups.

    A plain one keeps its input for a weight gradient that nobody asks for. This one does not, and computes
    its input's gradient in the fastest way.
    """

    base_class: ClassVar[type[nn.Module]]

    def forward(self: Any, x: Tensor) -> Tensor:
        if self.padding_mode != "zeros":
            return super().forward(x)
        geometry = Geometry.of(self.kernel_size, self.stride, self.padding, self.dilation, self.groups)
        return frozen_conv(x, DenseWeight(self.weight), self.bias, geometry)


class FrozenConv1d(FrozenConv, nn.Conv1d):
    """nn.Conv1d, frozen."""

    base_class = nn.Conv1d


class FrozenConv2d(FrozenConv, nn.Conv2d):
    """nn.Conv2d, frozen."""

    base_class = nn.Conv2d


class FrozenConv3d(FrozenConv, nn.Conv3d):
    """nn.Conv3d, frozen."""

    base_class = nn.Conv3d


_FROZEN: dict[type[nn.Module], type[FrozenConv]] = {
    cls.base_class: cls for cls in (FrozenConv1d, FrozenConv2d, FrozenConv3d)
}


def freeze(model: nn.Module, adapted: Container[nn.Module]) -> None:
    """Freezes every parameter, batch norm's statistics, and grouped convolutions but the `adapted` ones."""
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            swap_class(module, swapped_class(type(module))).eval()
        elif type(module) in _FROZEN and module.groups != 1 and module not in adapted:
            swap_class(module, _FROZEN[type(module)])


def plain_again(model: nn.Module) -> None:
    """Gives the layers that :func:`freeze` changed their classes back; parameters stay frozen."""
    for module in model.modules():
        if isinstance(module, FrozenBatchNorm):
            swap_class(module, module.base_class).training = model.training
        elif isinstance(module, FrozenConv):
            swap_class(module, module.base_class)
