"""The whole difference: W + D, with D of the weight's shape, starting at zero.

Full fine-tuning of the adapted weights, as the upper reference of what an adapter can learn. `extract` makes
low-rank adapters of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from visionlora.adapters.base import Adapter, AdapterSettings


class Full(Adapter):
    """The difference itself.

    Attributes:
        difference: (out, in/groups, kernel...).
    """

    family: ClassVar[str] = "full"
    unused: ClassVar[tuple[str, ...]] = ("rank", "alpha", "rslora", "init_std")
    lr_factor: ClassVar[float] = 0.1  # at LoRA's rate 142 classes forget three times as much

    def __init__(
        self, shape: Sequence[int], settings: AdapterSettings, dtype: torch.dtype, generator: torch.Generator
    ) -> None:
        super().__init__(shape, settings, dtype, generator)
        self.difference = nn.Parameter(torch.zeros(tuple(shape), dtype=dtype))

    def weight(self, base: Tensor) -> Tensor:
        """base + difference."""
        return base + self.difference
