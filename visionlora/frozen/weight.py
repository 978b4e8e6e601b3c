"""Base weights as the kernels take them (`visionlora.kernels.FrozenWeight`)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from visionlora.kernels import FrozenWeight


class DenseWeight:
    """A base weight that is stored as the tensor it is."""

    __slots__ = ("tensor",)

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


def frozen_weight(module: nn.Module, parameter: str = "weight") -> FrozenWeight:
    """The frozen weight of a module, in the form in which the module stores it.

    Args:
        module: a layer, adapted or plain.
        parameter: the name of the weight among its parameters.
    """
    tensor = module._parameters[parameter]
    assert tensor is not None
    return DenseWeight(tensor)
