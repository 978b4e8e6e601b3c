"""oneDNN's matrix product, called directly.

PyTorch leaves products in single precision to the BLAS, whatever the processor: on AMD's processors the BLAS
(MKL) takes 1.1 to 2.3 times as long for the layers of ResNet50 and ConvNeXt. In bfloat16 PyTorch uses oneDNN,
but writes the bias into the output first: where the output is wide that doubles the time.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def has_onednn(x: Tensor) -> bool:
    """Whether oneDNN's product can be called for inputs like x: float32 or bfloat16 on the CPU, outside of
    `torch.compile` and `torch.func` transforms."""
    if x.device.type != "cpu" or not torch.backends.mkldnn.is_available() or torch.compiler.is_compiling():
        return False
    if torch._C._are_functorch_transforms_active():  # it has no batching rule
        return False
    ops = torch.ops.mkldnn
    if x.dtype == torch.bfloat16:
        return hasattr(ops, "_linear_pointwise") and ops._is_mkldnn_bf16_supported()
    return hasattr(ops, "_linear_pointwise") and x.dtype == torch.float32


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x W' + bias, by oneDNN where it can be."""
    if has_onednn(x) and not torch.is_grad_enabled():  # it has no derivative, and second ones need it
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return F.linear(x, weight, bias)
