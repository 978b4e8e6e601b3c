"""One adapted layer and what PyTorch makes of it, to be compared."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional as F

from visionlora.lora import kernels

SCALING = 0.7


@dataclass
class Case:
    """One layer and its input, in double precision; geometry is None for a linear layer."""

    x: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor | None
    A: torch.Tensor
    B: torch.Tensor
    geometry: tuple | None

    def compute(self, x, A, B):
        layer = (self.weight.to(x.dtype), None if self.bias is None else self.bias.to(x.dtype))
        if self.geometry is None:
            return kernels.lora_linear(x, *layer, A, B, SCALING)
        return kernels.lora_conv(x, *layer, A, B, SCALING, *self.geometry)

    def reference(self, x, A, B):
        """What PyTorch makes of the merged weight."""
        update = (B.flatten(1) @ A.flatten(1)).view(self.weight.shape)
        merged = self.weight + SCALING * update
        if self.geometry is None:
            return F.linear(x, merged, self.bias)
        return kernels.conv(x, merged, self.bias, *self.geometry)

    def leaves(self, dtype=torch.float64):
        return [t.detach().clone(memory_format=torch.preserve_format).to(dtype).requires_grad_()
                for t in (self.x, self.A, self.B)]  # fmt: skip


def results(compute, case, dtype=torch.float64, seed=0):
    """The output and the gradients of x, A and B for one random output gradient."""
    leaves = case.leaves(dtype)
    y = compute(*leaves)
    g = torch.randn(y.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return y, *torch.autograd.grad(y, leaves, g.to(y.dtype))


def assert_equal(ours, reference, rtol=1e-9):
    for name, a, b in zip(("y", "x", "A", "B"), ours, reference, strict=True):
        assert a.shape == b.shape
        error = (a.double() - b).norm() / b.norm().clamp_min(1e-12)
        assert error < rtol, f"{name}: relative error {error:.1e}"


def normal(seed, *shape):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def second(compute, leaves):
    first = torch.autograd.grad(compute(*leaves).pow(3).sum(), leaves, create_graph=True)
    return torch.autograd.grad(sum(grad.square().sum() for grad in first), leaves)
