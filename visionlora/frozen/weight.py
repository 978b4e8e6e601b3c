"""The frozen base weight of a layer, in whatever form it is kept.

Layers above ask for the numbers with `dense()` and never assume that they lie in memory as one floating-point
tensor: a quantised weight makes them when they are needed.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn


@runtime_checkable
class FrozenWeight(Protocol):
    """What every form of a frozen weight has.

    Attributes:
        shape: of the weight as its module has it.
        dtype: of its numbers when they are made dense.
        device: where it lies.
    """

    @property
    def shape(self) -> torch.Size: ...

    @property
    def dtype(self) -> torch.dtype: ...

    @property
    def device(self) -> torch.device: ...

    def dense(self, dtype: torch.dtype | None = None) -> Tensor:
        """The weight as one tensor, in `dtype` or its own."""
        ...


class DenseWeight:
    """A weight that lies in memory as one tensor.

    Args:
        tensor: the weight; `dense()` in its own type is this very object.
    """

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor

    @property
    def shape(self) -> torch.Size:
        return self.tensor.shape

    @property
    def dtype(self) -> torch.dtype:
        return self.tensor.dtype

    @property
    def device(self) -> torch.device:
        return self.tensor.device

    def dense(self, dtype: torch.dtype | None = None) -> Tensor:
        """The tensor itself where the type is its own, otherwise a copy."""
        return self.tensor if dtype is None else self.tensor.to(dtype)


def frozen_weight(module: nn.Module, parameter: str = "weight") -> FrozenWeight:
    """The frozen weight of a module, whatever its class makes of the attribute of that name."""
    tensor = module._parameters[parameter]
    assert tensor is not None
    return DenseWeight(tensor)
