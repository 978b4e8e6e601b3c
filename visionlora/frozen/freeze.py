"""The frozen rest of an adapted network: parameters, running statistics, grouped convolutions, and embeddings
that limit their norms."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from torch import Tensor, nn

from visionlora.frozen.activations import in_place_again, without_copies
from visionlora.frozen.growth import growth_modules
from visionlora.frozen.norm import FrozenStatistics, freeze_statistics, keeps_statistics, unfreeze_statistics
from visionlora.frozen.swap import Swapped, swap, swap_back
from visionlora.frozen.weight import frozen_weight
from visionlora.frozen.whole_weight import frozen_conv
from visionlora.kernels import Geometry

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


class FrozenConv(Swapped):
    """A frozen convolution with groups.

    A plain one keeps its input for a weight gradient that nobody asks for. This one does not, and computes
    its input's gradient with the fastest implementation.
    """

    prefix = "Frozen"

    def forward(self: Any, input: Tensor) -> Tensor:
        """(N, in, size...) to (N, out, size...)."""
        if self.padding_mode != "zeros" or self._parameters.get("weight") is None:
            return super().forward(input)  # without a parameter, a hook computes the weight (old weight_norm)
        return frozen_conv(input, frozen_weight(self), self.bias, conv_geometry(self))


class FrozenEmbedding(Swapped):
    """A frozen embedding with `max_norm`.

    A plain one limits the norms in its weight itself, in every forward pass; this one in a copy.
    """

    prefix = "Frozen"

    @property
    def weight(self) -> Tensor:
        """A copy of the frozen weight, for one forward pass."""
        weight = self._parameters["weight"]
        assert weight is not None
        return weight.clone()


def limits_norms(module: nn.Module) -> bool:
    """Whether a forward pass of this module changes its weight: it is an embedding with `max_norm`, whose
    weight is a parameter and not computed (weight norm)."""
    if not isinstance(module, nn.Embedding | nn.EmbeddingBag):
        return False
    return module.max_norm is not None and module._parameters.get("weight") is not None


def conv_geometry(conv: Any) -> Geometry:
    """The geometry of a convolution that pads with zeros."""
    return Geometry.of(conv.kernel_size, conv.stride, conv.padding, conv.dilation, conv.groups)


def freeze(model: nn.Module, adapted: Container[nn.Module]) -> None:
    """Freeze every parameter and running statistics, and of the layers that are not `adapted` grouped
    convolutions and embeddings that limit their norms.

    Calling it again for a network that is frozen already changes nothing.
    """
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    freeze_modules(model, adapted)


def freeze_modules(model: nn.Module, adapted: Container[nn.Module]) -> None:
    """The part of :func:`freeze` that changes modules and no parameter."""
    without_copies(model)
    grown = growth_modules(model)
    for module in model.modules():
        if module in grown:
            continue
        if keeps_statistics(module) and not isinstance(module, FrozenStatistics):
            freeze_statistics(module)
        elif module in adapted or isinstance(module, Swapped):
            continue
        elif type(module) in CONVOLUTIONS and module.groups != 1:
            swap(module, FrozenConv)
        elif limits_norms(module):
            swap(module, FrozenEmbedding)


def unfreeze(model: nn.Module) -> None:
    """Give the layers that :func:`freeze` changed their classes and modes back; parameters stay frozen."""
    in_place_again(model)
    for module in model.modules():
        if isinstance(module, FrozenStatistics):
            unfreeze_statistics(module)
        elif isinstance(module, FrozenConv | FrozenEmbedding):
            swap_back(module)
