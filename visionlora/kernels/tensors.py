"""What the kernels compute with: a frozen weight, an adapted layer's tensors, a convolution's geometry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor


class FrozenWeight(Protocol):
    """A base weight that gets no gradient. It may be stored in any form, for example quantised.

    The kernels ask for the dense tensor where they need the numbers, in the forward and again in the backward
    pass, and never keep it between the two.
    """

    @property
    def shape(self) -> torch.Size:
        """(out, in/groups, kernel...) of a convolution, (out, in) of a linear layer."""

    @property
    def dtype(self) -> torch.dtype:
        """The type of `dense()`."""

    @property
    def device(self) -> torch.device:
        """Where it is stored and `dense()` is made."""

    @property
    def requires_grad(self) -> bool:
        """False. A layer whose weight is trained too is computed by PyTorch's own operations."""

    def dense(self, dtype: torch.dtype | None = None) -> Tensor:
        """The numbers, as a tensor of this type (by default its own). May be the stored tensor: read only."""


class LayerTensors(NamedTuple):
    """An adapted layer: its weight is `weight + scaling * B @ A`, reshaped.

    Attributes:
        weight: (out, in/groups, kernel...), or (out, in) for a linear layer.
        bias: (out,), or None.
        A: (r, in/groups, kernel...), or (r, in).
        B: (out, r, 1...), or (out, r).
        scaling: the factor of the update.
    """

    weight: FrozenWeight
    bias: Tensor | None
    A: Tensor
    B: Tensor
    scaling: float

    @property
    def rank(self) -> int:
        """r."""
        return self.A.shape[0]


class Geometry(NamedTuple):
    """What a convolution has beside its tensors: one number a dimension.

    Attributes:
        stride: as in `torch.nn.Conv2d`.
        padding: zeros before and after.
        dilation: as in `torch.nn.Conv2d`.
        groups: as in `torch.nn.Conv2d`.
        extra: more zeros after, where padding "same" is not symmetric; empty for none.
    """

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1
    extra: tuple[int, ...] = ()

    @classmethod
    def of(
        cls,
        kernel: Sequence[int],
        stride: Sequence[int],
        padding: Sequence[int] | str,
        dilation: Sequence[int],
        groups: int,
    ) -> Geometry:
        """The geometry of a convolution with these attributes; padding may be "same" or "valid"."""
        extra: tuple[int, ...] = ()
        if padding == "same":
            total = [step * (size - 1) for step, size in zip(dilation, kernel, strict=True)]
            padding = tuple(pad // 2 for pad in total)
            if any(pad % 2 for pad in total):
                extra = tuple(pad % 2 for pad in total)
        elif padding == "valid":
            padding = (0,) * len(kernel)
        assert not isinstance(padding, str)
        return cls(tuple(stride), tuple(padding), tuple(dilation), groups, extra)
