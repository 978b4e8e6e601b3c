"""LoRA across groups: a grouped convolution plus B(A(x)), where A sees the channels of all groups.

PEFT adapts grouped convolutions like this (its B is block-diagonal, one block a group). Such an update is no
change of the grouped weight, so it is computed beside the layer and can't be merged into it. For an update of
the weight itself there is `lora`. A starts Gaussian, B at zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from visionlora.adapters.base import AdapterSettings, scaling_of
from visionlora.adapters.module_adapter import ModuleAdapter, padded
from visionlora.frozen.whole_weight import computed_conv
from visionlora.kernels import Geometry


class CrossGroup(ModuleAdapter):
    """A and B of a convolution without groups.

    Attributes:
        lora_A: (r, in, kernel...).
        lora_B: (out, r, 1...).
    """

    family: ClassVar[str] = "cross_group"

    def __init__(
        self, shape: Sequence[int], settings: AdapterSettings, dtype: torch.dtype, generator: torch.Generator
    ) -> None:
        super().__init__(shape, settings, dtype, generator)
        out, *rest = shape
        std = settings.init_std or torch.Size(rest).numel() ** -0.5
        self.lora_A = nn.Parameter(
            torch.randn((settings.rank, *rest), dtype=dtype, generator=generator).mul_(std)
        )
        self.lora_B = nn.Parameter(torch.zeros(out, settings.rank, *(1,) * (len(rest) - 1), dtype=dtype))

    @classmethod
    def shape_on(cls, layer: Any, shape: Sequence[int]) -> tuple[int, ...]:
        """With the channels of all groups."""
        out, _, *kernel = shape
        return (out, layer.in_channels, *kernel)

    def branch(self, x: Tensor, layer: Any, factor: Tensor | float) -> Tensor:
        """factor * scaling * B(A(x)), A with the layer's stride, padding and dilation."""
        x, geometry = padded(x, layer)
        ones = (1,) * len(layer.kernel_size)
        narrow = computed_conv(x, self.lora_A, None, geometry._replace(groups=1))
        pointwise = Geometry(ones, (0,) * len(ones), ones, 1)
        return computed_conv(narrow, scaling_of(self.settings) * self.lora_B * factor, None, pointwise)

    @classmethod
    def rank_of(cls, tensors: Mapping[str, Tensor]) -> int | None:
        """The rows of A."""
        A = tensors.get("lora_A")
        return None if A is None or not A.ndim else A.shape[0]
