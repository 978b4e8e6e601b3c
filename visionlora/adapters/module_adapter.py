"""Adapters that are no change of a weight: they change a layer's input, or add something to its output.

`merged` keeps computing them beside the merged weights; `merge` refuses those that can only be modules.
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from visionlora.adapters.base import Adapter
from visionlora.adapters.sites import has_own_forward
from visionlora.frozen.swap import plain_class
from visionlora.kernels import Geometry

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


class ModuleAdapter(Adapter):
    """One of them.

    Attributes:
        layers: the kinds of layers that it can be attached to.
        mergeable: whether `merge_into` can put it into a layer.
        one_layer: whether it is for the first of the targeted layers alone.
    """

    layers: ClassVar[tuple[type[nn.Module], ...]] = CONVOLUTIONS
    mergeable: ClassVar[bool] = False
    one_layer: ClassVar[bool] = False

    @classmethod
    def can_attach_to(cls, layer: nn.Module) -> bool:
        """Whether it can be attached to a layer: not to one whose class has a forward pass of its own, which
        would leave it out."""
        return isinstance(layer, cls.layers) and not has_own_forward(plain_class(layer))

    def merge_into(self, layer: Any) -> None:
        """Make the plain layer compute what it does with this adapter, permanently."""
        raise NotImplementedError

    def weight(self, base: Tensor) -> Tensor:
        """The base: it is not changed."""
        return base

    def change_input(self, x: Tensor, layer: Any) -> Tensor:
        """What the layer gets instead of x, (N, in, size...)."""
        return x

    def branch(self, x: Tensor, layer: Any, factor: Tensor | float) -> Tensor | None:
        """What is added to the layer's output, (N, out, size...); None for nothing.

        Args:
            x: the layer's input.
            layer: the layer.
            factor: what it is multiplied with, a number or one for each output, (out, 1...), with as many
                dimensions as the weight.
        """
        return None


def change_inputs(adapters: list[ModuleAdapter], x: Tensor, layer: Any) -> Tensor:
    """x after all of them."""
    for adapter in adapters:
        x = adapter.change_input(x, layer)
    return x


def add_branches(
    adapters: list[ModuleAdapter], x: Tensor, y: Tensor, layer: Any, scale: Tensor | None = None
) -> Tensor:
    """The output y with what all of them add for the input x, times the `scale` of each output."""
    for adapter in adapters:
        factor = adapter.strength if scale is None else adapter.strength * scale
        dtype = next((one.dtype for one in adapter.parameters()), x.dtype)  # no parameters in a replica
        branch = adapter.branch(x.to(dtype), layer, factor)
        y = y if branch is None else y + branch.to(y.dtype)
    return y


def pad(x: Tensor, layer: Any) -> Tensor:
    """x padded as the convolution does it, with a batch dimension."""
    x = x if x.ndim == len(layer.kernel_size) + 2 else x[None]
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    return F.pad(x, layer._reversed_padding_repeated_twice, mode=mode)


def padded(x: Tensor, layer: Any) -> tuple[Tensor, Geometry]:
    """The input of a convolution that has the layer's kernel, and its geometry."""
    padding = layer.padding
    if layer.padding_mode != "zeros":
        x = F.pad(x, layer._reversed_padding_repeated_twice, mode=layer.padding_mode)
        padding = "valid"
    return x, Geometry.of(layer.kernel_size, layer.stride, padding, layer.dilation, layer.groups)
