"""Conv-Adapter: a bottleneck beside a convolution, h + alpha * W_up f(W_down x) (Chen et al. 2022,
https://arxiv.org/abs/2208.07463, equation 2, the parallel scheme).

W_down is a convolution with the layer's kernel, stride, padding and dilation whose every output sees
`reduction` channels; W_up is pointwise; f is a ReLU, which is why the branch can't be merged. All groups of a
grouped convolution share W_down, as they share LoRA's A. W_up starts at zero, so the branch does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from visionlora.adapters.base import AdapterSettings, Option
from visionlora.adapters.families.rotation import divisor
from visionlora.adapters.module_adapter import CONVOLUTIONS, ModuleAdapter, padded
from visionlora.adapters.output_scale import sum_of_products
from visionlora.frozen.whole_weight import computed_conv
from visionlora.kernels import Geometry
from visionlora.kernels.tensors import transformed


class ConvAdapter(ModuleAdapter):
    """Conv-Adapter's bottleneck.

    Options:
        reduction: gamma, how many channels of a group become one; the divisor of their number closest to it.

    Attributes:
        down: (h, in/groups / h, kernel...), h channels for each group.
        up: (out, h, 1...).
        alpha: (out, 1...), starts at 1.
    """

    family: ClassVar[str] = "conv_adapter"
    unused: ClassVar[tuple[str, ...]] = ("rank", "alpha", "rslora")
    layers: ClassVar[tuple[type[nn.Module], ...]] = CONVOLUTIONS
    defaults: ClassVar[Mapping[str, Option]] = {"reduction": 4}
    minima: ClassVar[Mapping[str, float]] = {"reduction": 1}

    def __init__(
        self, shape: Sequence[int], settings: AdapterSettings, dtype: torch.dtype, generator: torch.Generator
    ) -> None:
        super().__init__(shape, settings, dtype, generator)
        out, inputs, *kernel = shape
        seen = divisor(inputs, self.option("reduction"))
        hidden, ones = inputs // seen, (1,) * len(kernel)
        std = settings.init_std or (2 / (seen * torch.Size(kernel).numel())) ** 0.5
        down = torch.randn((hidden, seen, *kernel), dtype=dtype, generator=generator).mul_(std)
        self.down = nn.Parameter(down)
        self.up = nn.Parameter(torch.zeros(out, hidden, *ones, dtype=dtype))
        self.alpha = nn.Parameter(torch.ones(out, *ones, dtype=dtype))

    def branch(self, x: Tensor, layer: Any, factor: Tensor | float) -> Tensor:
        """factor * alpha * W_up f(W_down x), of the layer's output shape."""
        x, geometry = padded(x, layer)
        groups, ones = layer.groups, (1,) * len(layer.kernel_size)
        down = self.down.repeat(groups, 1, *ones) if groups > 1 else self.down
        found = computed_conv(x, down, None, geometry._replace(groups=len(down)))
        up = self.up * self.alpha[:, None] * factor
        if up.shape[1] == 1 and len(up) == groups:  # depthwise: a scale of each channel
            return scaled_relu(found, up.to(found.dtype).view(groups, *ones))
        pointwise = Geometry(ones, (0,) * len(ones), ones, groups)
        return computed_conv(F.relu(found), up, None, pointwise)


def scaled_relu(found: Tensor, scale: Tensor) -> Tensor:
    """scale * relu(found), for the scale of each channel, (C, 1...). PyTorch's convolution with such a kernel
    takes several times as long, above all its gradients."""
    if transformed() or torch.compiler.is_compiling() or found.ndim < scale.ndim + 1:
        return F.relu(found) * scale
    return _ScaledRelu.apply(found, scale)


class _ScaledRelu(Function):
    @staticmethod
    def forward(ctx: Any, found: Tensor, scale: Tensor) -> Tensor:
        ctx.save_for_backward(found, scale)
        return found.clamp_min(0).mul_(scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor]:
        found, scale = ctx.saved_tensors
        passed: Tensor = torch.ops.aten.threshold_backward(g, found, 0)
        exact = torch.promote_types(scale.dtype, torch.float32)
        grad_scale = sum_of_products(passed, found, channels_first=True, dtype=exact)
        return passed.mul_(scale), grad_scale.view(scale.shape).to(scale.dtype)
