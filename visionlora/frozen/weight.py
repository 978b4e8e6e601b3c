"""Base weights as the kernels take them (`visionlora.kernels.FrozenWeight`)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from visionlora.frozen.packed import PackedWeight
from visionlora.kernels import FrozenWeight
from visionlora.kernels.matmul import linear


class DenseWeight:
    """A base weight that is stored as the tensor it is."""

    __slots__ = ("tensor",)
    is_stored = True

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor

    @property
    def shape(self) -> torch.Size:
        """(out, in/groups, kernel...) or (out, in)."""
        return self.tensor.shape

    @property
    def dtype(self) -> torch.dtype:
        """The tensor's type."""
        return self.tensor.dtype

    @property
    def device(self) -> torch.device:
        """The tensor's device."""
        return self.tensor.device

    @property
    def requires_grad(self) -> bool:
        """Whether the tensor is trained; False for a frozen one."""
        return self.tensor.requires_grad

    def dense(self, dtype: torch.dtype | None = None) -> Tensor:
        """The tensor itself, or a cast of it where another type is asked for."""
        return self.tensor if dtype is None else self.tensor.to(dtype)

    def operand(self) -> Tensor:
        """The tensor itself."""
        return self.tensor

    def product(self, x: Tensor, bias: Tensor | None = None, transposed: bool = False) -> Tensor:
        """x W' + bias for x (M, in), or, transposed, x W for x (M, out)."""
        matrix = self.tensor.flatten(1)
        return linear(x, matrix.t() if transposed else matrix, bias)


def frozen_weight(module: nn.Module, parameter: str = "weight") -> FrozenWeight:
    """The frozen weight of a module, in the form in which the module stores it: dense or quantised.

    Args:
        module: a layer, adapted or plain.
        parameter: the name of the weight among its parameters.
    """
    tensor = module._parameters[parameter]
    assert tensor is not None
    return tensor if isinstance(tensor, PackedWeight) else DenseWeight(tensor)
