"""Adapted layers. An adapted layer *is* its base layer: a subclass, with the same tensors under the same
names.

An adapter is put on by giving the layer object another class and two more parameters, and taken off the
other way round. So the object stays what hooks, containers and other references to it hold.

`weight` of an adapted layer is the weight that the layer computes with: the adapted one, with a gradient to
A and B, or the frozen or the merged one inside `adapters_off` or `merged`. That matters because some
networks read a layer's weight and never call the layer (`nn.MultiheadAttention` its `out_proj`,
torchvision's Swin its `qkv` and `proj`). The frozen tensor keeps its place among the parameters
(`state_dict`, `named_parameters`) and is `base_weight`.
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from visionlora.adapters.config import scaling
from visionlora.frozen.weight import DenseWeight
from visionlora.kernels import (
    Geometry,
    LayerTensors,
    adapted_conv,
    adapted_linear,
    conv,
    conv_branch,
    linear_branch,
    merged_weight,
    update,
)

_FORWARD = ("forward", "_conv_forward")


class Swapped(nn.Module):
    """A module whose class stands in for `base_class` for a while; copies and pickles itself as such."""

    base_class: ClassVar[type[nn.Module]]

    def __reduce_ex__(self, protocol: Any) -> tuple:
        # The class may have been made at run time, so it cannot be found by name: it is made again.
        return _new_instance, (self.base_class,), self.__dict__


class LoraLayer(Swapped):
    """What all adapted layers have in common.

    Attributes:
        lora_A: (r, in/groups, k...) for a convolution, (r, in) for a linear layer.
        lora_B: (out, r, 1...) for a convolution, (out, r) for a linear layer.
        lora_alpha: alpha of this layer.
        lora_rslora: whether alpha is divided by sqrt(rank) rather than by rank.
        lora_dropout: probability that an element of the adapter's input is dropped in training.
    """

    lora_A: nn.Parameter
    lora_B: nn.Parameter
    lora_alpha: float
    lora_rslora: bool
    lora_dropout: float
    lora_off: int  # how many adapters_off() are open around this layer
    lora_merged: Tensor | None  # the merged weight inside merged()

    @property
    def base_weight(self) -> nn.Parameter:
        """The frozen weight: the tensor that the layer had before, the same object."""
        weight = self._parameters["weight"]
        assert weight is not None
        return weight

    @property
    def lora_rank(self) -> int:
        """r of this layer."""
        return self.lora_A.shape[0]

    @property
    def lora_scaling(self) -> float:
        """The factor before B @ A."""
        return scaling(self.lora_rank, self.lora_alpha, self.lora_rslora)

    @property
    def lora_active(self) -> bool:
        """Whether the adapter takes part as a branch of its own: neither switched off nor merged."""
        return not self.lora_off and self.lora_merged is None

    # An AttributeError raised in here would make nn.Module fall back to the frozen weight without a word.
    @property
    def weight(self) -> Tensor:
        """The weight that the layer computes with now.

        While an active adapter with dropout trains, whole input channels of A are dropped: the adapter's
        input is not at hand here, and that is dropout on it with one mask for the batch.
        """
        if self.lora_off:
            return self.base_weight
        if self.lora_merged is not None:
            return self.lora_merged
        A: Tensor = self.lora_A
        if self.lora_dropout and self.training:
            mask = A.new_ones(1, A.shape[1], *(1,) * (A.ndim - 2))
            A = A * F.dropout(mask, self.lora_dropout)
        return merged_weight(self._tensors()._replace(A=A))

    def _tensors(self) -> LayerTensors:
        bias: Any = self.bias
        return LayerTensors(DenseWeight(self.base_weight), bias, self.lora_A, self.lora_B, self.lora_scaling)

    def lora_update(self) -> Tensor:
        """scaling * B @ A, without dropout, in the shape of the weight."""
        return update(self.lora_A, self.lora_B, self.lora_scaling)

    def lora_merged_weight(self) -> Tensor:
        """base_weight + scaling * B @ A, without dropout: computed in single or double precision, cast
        once."""
        return merged_weight(self._tensors())

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, rank={self.lora_rank}, alpha={self.lora_alpha:g}"


class _LoraConv(LoraLayer):
    """The forward pass that convolutions of all dimensions share."""

    def forward(self: Any, x: Tensor) -> Tensor:
        if not self.lora_active:
            return super().forward(x)
        padding = self.padding
        if self.padding_mode != "zeros":
            x = F.pad(x, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = "valid"
        geometry = Geometry.of(self.kernel_size, self.stride, padding, self.dilation, self.groups)
        layer = self._tensors()
        if not (self.lora_dropout and self.training):
            return adapted_conv(x, layer, geometry)
        frozen = conv(x, self.base_weight, self.bias, geometry)
        dropped = F.dropout(x, self.lora_dropout)
        branch = conv_branch(dropped, layer.A, layer.B, layer.scaling, geometry)
        return frozen + branch.to(frozen.dtype)


class LoraConv1d(_LoraConv, nn.Conv1d):  # type: ignore[override]
    """nn.Conv1d with an adapter."""

    base_class = nn.Conv1d


class LoraConv2d(_LoraConv, nn.Conv2d):  # type: ignore[override]
    """nn.Conv2d with an adapter."""

    base_class = nn.Conv2d


class LoraConv3d(_LoraConv, nn.Conv3d):  # type: ignore[override]
    """nn.Conv3d with an adapter."""

    base_class = nn.Conv3d


class LoraLinear(LoraLayer, nn.Linear):  # type: ignore[override]
    """nn.Linear with an adapter."""

    base_class = nn.Linear

    def forward(self, x: Tensor) -> Tensor:
        if not self.lora_active:
            return super().forward(x)
        layer = self._tensors()
        if not (self.lora_dropout and self.training):
            return adapted_linear(x, layer)
        frozen = F.linear(x, self.base_weight, self.bias)
        dropped = F.dropout(x, self.lora_dropout)
        branch = linear_branch(dropped, layer.A, layer.B, layer.scaling)
        return frozen + branch.to(frozen.dtype)


class FrozenBatchNorm(Swapped):
    """A batch-norm layer whose running statistics never move, whatever `train()` is told."""

    def train(self, mode: bool = True) -> FrozenBatchNorm:
        return super().train(False)


_ADAPTED: dict[type[nn.Module], type[LoraLayer]] = {
    nn.Conv1d: LoraConv1d,
    nn.Conv2d: LoraConv2d,
    nn.Conv3d: LoraConv3d,
    nn.Linear: LoraLinear,
}
_SWAPPED: dict[type[nn.Module], type[Swapped]] = {**_ADAPTED}


def swapped_class(base: type[nn.Module]) -> type[Swapped]:
    """The adapted class of a convolution or linear class, the frozen class of a batch-norm class.

    Subclasses get a class of their own. One that computes in its own way keeps its forward pass, which then
    reads the adapted `weight`.
    """
    if base not in _SWAPPED:
        _SWAPPED[base] = _make_class(base)
    return _SWAPPED[base]


def _make_class(base: type[nn.Module]) -> type[Swapped]:
    members: dict[str, Any] = {"base_class": base}
    if issubclass(base, _BatchNorm):
        return type(f"Frozen{base.__name__}", (FrozenBatchNorm, base), members)
    plain, adapted = next((plain, adapted) for plain, adapted in _ADAPTED.items() if issubclass(base, plain))
    if any(getattr(base, name) is not getattr(plain, name) for name in _FORWARD if hasattr(plain, name)):
        members["forward"] = base.forward
    return type(f"Lora{base.__name__}", (adapted, base), members)


def swap_class(module: nn.Module, cls: Any) -> Any:
    """Gives a module another class, in place; returns it, as what it is now."""
    module.__class__ = cls
    return module


def can_adapt(module: nn.Module) -> bool:
    """Whether this is a layer with a weight that an adapter can be put on."""
    return isinstance(module, tuple(_ADAPTED))


def _new_instance(base: type[nn.Module]) -> nn.Module:
    cls = swapped_class(base)
    return cls.__new__(cls)
