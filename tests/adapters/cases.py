"""One adapted layer, computed by our kernels and by PyTorch, to be compared."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from hypothesis import settings
from hypothesis import strategies as st
from torch.nn import functional as F

from visionlora import kernels
from visionlora.frozen.weight import DenseWeight
from visionlora.kernels import Geometry, LayerTensors

SCALING = 0.7
CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}

settings.register_profile("kernels", deadline=None, derandomize=True)
settings.load_profile("kernels")


@dataclass
class Case:
    """One layer and its input, in double precision; geometry is None for a linear layer."""

    x: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor | None
    A: torch.Tensor
    B: torch.Tensor
    geometry: tuple | None

    @property
    def numbers(self):
        """The geometry as the kernels take it."""
        return Geometry.of(self.weight.shape[2:], *self.geometry)

    def layer(self, A, B, dtype=torch.float64):
        bias = None if self.bias is None else self.bias.to(dtype)
        return LayerTensors(DenseWeight(self.weight.to(dtype)), bias, A, B, SCALING)

    def compute(self, x, A, B):
        layer = self.layer(A, B, x.dtype)
        if self.geometry is None:
            return kernels.adapted_linear(x, layer)
        return kernels.adapted_conv(x, layer, self.numbers)

    def reference(self, x, A, B):
        """What PyTorch computes with the merged weight."""
        update = (B.flatten(1) @ A.flatten(1)).view(self.weight.shape)
        merged = self.weight + SCALING * update
        if self.geometry is None:
            return F.linear(x, merged, self.bias)
        return CONV[merged.ndim - 2](x, merged, self.bias, *self.geometry)

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


@st.composite
def conv_cases(draw):
    dims = draw(st.integers(1, 3))
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    inputs, outputs = (draw(st.integers(1, 3)) for _ in range(2))
    depthwise = draw(st.booleans())
    inputs, groups = (1, draw(st.integers(2, 5))) if depthwise else (inputs, groups)
    each = st.integers(1, 5 if dims < 3 else 3)
    kernel = [draw(each) for _ in range(dims)]
    dilation = tuple(draw(st.integers(1, 2)) for _ in range(dims))
    padding = draw(st.sampled_from(["same", "valid", "numbers"]))
    stride = tuple(1 if padding == "same" else draw(st.integers(1, 3)) for _ in range(dims))
    if padding == "numbers":
        padding = tuple(draw(st.integers(0, 3)) for _ in range(dims))
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    size = [span + draw(st.integers(0, 5)) for span in reach]
    rank, seed = draw(st.integers(1, 10)), draw(st.integers(0, 99))
    out = outputs * groups
    x = normal(seed, draw(st.integers(1, 3)), inputs * groups, *size)
    if dims > 1 and draw(st.booleans()):
        x = x.contiguous(memory_format=torch.channels_last if dims == 2 else torch.channels_last_3d)
    weight, A = normal(seed + 1, out, inputs, *kernel), normal(seed + 2, rank, inputs, *kernel)
    if dims == 2 and draw(st.booleans()):
        weight = weight.contiguous(memory_format=torch.channels_last)
    bias = normal(seed + 3, out) if draw(st.booleans()) else None
    B = normal(seed + 4, out, rank, *(1,) * dims)
    return Case(x, weight, bias, A, B, (stride, padding, dilation, groups))


@st.composite
def linear_cases(draw):
    leading = draw(st.lists(st.integers(1, 4), max_size=3))
    inputs, outputs, rank = (draw(st.integers(1, 9)) for _ in range(3))
    seed = draw(st.integers(0, 99))
    bias = normal(seed + 3, outputs) if draw(st.booleans()) else None
    return Case(
        normal(seed, *leading, inputs),
        normal(seed + 1, outputs, inputs),
        bias,
        normal(seed + 2, rank, inputs),
        normal(seed + 4, outputs, rank),
        None,
    )


def a_conv(channels=(6, 8), kernel=3, size=8, stride=1, groups=1, rank=4, last=True):
    inputs, outputs = channels
    x = normal(0, 2, inputs, size, size)
    x = x.contiguous(memory_format=torch.channels_last) if last else x
    pad = kernel // 2
    return Case(
        x,
        normal(1, outputs, inputs // groups, kernel, kernel),
        normal(2, outputs),
        normal(3, rank, inputs // groups, kernel, kernel),
        normal(4, outputs, rank, 1, 1),
        ((stride, stride), (pad, pad), (1, 1), groups),
    )


LAYERS = {
    "dense": a_conv(),
    "dense, not channels_last": a_conv(last=False),
    "strided": a_conv(stride=2),
    "grouped": a_conv(groups=2),
    "depthwise": a_conv((6, 6), groups=6),
    "depthwise, wide": a_conv((6, 6), kernel=7, groups=6),
    "depthwise, wide, strided": a_conv((6, 6), kernel=5, stride=2, groups=6),
    "depthwise, not channels_last": a_conv((6, 6), kernel=5, groups=6, last=False),
}


MATRIX_LAYERS = {
    "pointwise": a_conv(kernel=1),
    "linear": Case(normal(0, 3, 7, 16), normal(1, 8, 16), None, normal(2, 4, 16), normal(3, 8, 4), None),
}
