"""Every way to compute an adapted layer gives the same outputs and gradients."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from visionlora.lora import convs, kernels, rows
from visionlora.lora.convs import Geometry
from visionlora.lora.functions import ConvFunction, RowsFunction

SCALING = 0.7
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


WAYS = ["rule", "auto", *rows.PRODUCTS, *{**rows.GRADIENTS, **convs.GRADIENTS}, "spread"]


@given(conv_cases(), st.sampled_from(WAYS))
@settings(max_examples=150)
def test_a_convolution_of_any_geometry_has_the_outputs_and_gradients_of_the_merged_weight(case, way):
    with kernels.choice(way):
        assert_equal(results(case.compute, case), results(case.reference, case))


@given(linear_cases(), st.sampled_from(WAYS))
@settings(max_examples=80)
def test_a_linear_layer_with_any_leading_dimensions_does_too(case, way):
    with kernels.choice(way):
        assert_equal(results(case.compute, case), results(case.reference, case))


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


def pairs():
    """Every layer with every product and gradient that can compute it."""
    for name, case in LAYERS.items():
        geometry = Geometry(*case.geometry)
        size = convs.output_size(case.x, case.weight, geometry)
        for product in ["conv", "spread"] + ["branch"] * (geometry.groups == 1):
            for gradient in convs.gradients_for(case.x, case.A, geometry, size):
                yield name, product, gradient


@pytest.mark.parametrize(("layer", "product", "gradient"), pairs())
def test_each_pair_of_ways_that_can_compute_a_convolution_is_exact(layer, product, gradient):
    case = LAYERS[layer]
    geometry = Geometry(*case.geometry)

    def compute(x, A, B):
        return ConvFunction.apply(x, case.weight, case.bias, A, B, None, SCALING, geometry, product, gradient)

    assert_equal(results(compute, case), results(case.reference, case))


@pytest.mark.parametrize("gradient", rows.GRADIENTS)
@pytest.mark.parametrize("product", rows.PRODUCTS)
def test_each_pair_of_ways_that_can_compute_a_linear_layer_is_exact(gradient, product):
    chunks = rows.CHUNK * 2 + 5  # the last piece is short
    case = Case(normal(0, chunks, 6), normal(1, 5, 6), normal(2, 5), normal(3, 4, 6), normal(4, 5, 4), None)

    def compute(x, A, B):
        return RowsFunction.apply(
            x, case.weight, case.bias, A, B, None, SCALING, False, None, product, gradient
        )

    assert_equal(results(compute, case), results(case.reference, case))


@pytest.mark.parametrize("layer", [*LAYERS, "pointwise", "linear"])
@pytest.mark.parametrize("way", ["rule", "branch", "full", "low_rank", "paired", "columns"])
def test_autocast_computes_in_half_precision_and_gives_gradients_in_single(layer, way):
    linear = Case(normal(0, 3, 7, 16), normal(1, 8, 16), None, normal(2, 4, 16), normal(3, 8, 4), None)
    case = {**LAYERS, "pointwise": a_conv(kernel=1), "linear": linear}[layer]
    reference = results(case.reference, case)
    with kernels.choice(way), torch.autocast("cpu", dtype=torch.bfloat16):
        ours = results(case.compute, case, torch.float32)
    assert [t.dtype for t in ours] == [torch.bfloat16, *[torch.float32] * 3]
    # bfloat16 keeps 8 bits: each of x, W', g, u and h is off by up to 2^-9 of itself.
    assert_equal(ours, reference, rtol=5 * 2**-8)


@pytest.mark.parametrize("layer", LAYERS)
def test_float32_is_as_exact_as_float32_is(layer):
    case = LAYERS[layer]
    assert_equal(results(case.compute, case, torch.float32), results(case.reference, case), rtol=1e-5)


def test_the_output_keeps_the_memory_format_of_the_input():
    for case in (a_conv(), a_conv(kernel=1), a_conv((6, 6), groups=6)):
        leaves = case.leaves()
        y = case.compute(*leaves)
        assert y.is_contiguous(memory_format=torch.channels_last)
        (grad,) = torch.autograd.grad(y.square().sum(), leaves[0])
        assert grad.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("kernel", [1, 3])
def test_what_follows_may_write_into_the_output(kernel):
    case = a_conv(kernel=kernel)
    inplace = results(lambda *leaves: F.relu(case.compute(*leaves), inplace=True), case)
    assert_equal(inplace, results(lambda *leaves: F.relu(case.reference(*leaves)), case))
    y = case.compute(*case.leaves())
    assert not y._is_view()


def test_gradients_accumulate_over_two_backward_passes():
    case = a_conv()
    x, A, B = case.leaves()
    for _ in range(2):
        case.compute(x, A, B).square().sum().backward()
    twice = A.grad.clone(), B.grad.clone()
    once = torch.autograd.grad(case.compute(x, A, B).square().sum(), (A, B))
    torch.testing.assert_close(twice, tuple(2 * grad for grad in once))


def test_without_a_graph_nothing_is_kept_and_the_output_is_the_same():
    case = a_conv()
    with_graph = case.compute(*case.leaves())
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            y = case.compute(case.x, case.A, case.B)
        assert not y.requires_grad
        torch.testing.assert_close(y, with_graph.detach())


def test_an_input_that_needs_no_gradient_gets_none_computed(monkeypatch):
    case = a_conv(stride=2)
    _, A, B = case.leaves()
    reference = torch.autograd.grad(case.reference(case.x, A, B).square().sum(), (A, B))
    monkeypatch.setattr(convs, "grad_input", None)
    ours = torch.autograd.grad(case.compute(case.x, A, B).square().sum(), (A, B))
    torch.testing.assert_close(ours, reference)


def test_weights_and_biases_that_are_not_frozen_get_their_gradients_too():
    case = a_conv()
    case.weight, case.bias = case.weight.clone().requires_grad_(), case.bias.clone().requires_grad_()
    wanted = [*case.leaves(), case.weight, case.bias]
    ours = torch.autograd.grad(case.compute(*wanted[:3]).square().sum(), wanted)
    reference = torch.autograd.grad(case.reference(*wanted[:3]).square().sum(), wanted)
    torch.testing.assert_close(ours, reference)


@pytest.mark.parametrize("layer", ["dense", "depthwise, wide", "strided"])
def test_second_derivatives_are_right(layer):
    case = LAYERS[layer]
    leaves = case.leaves()
    torch.testing.assert_close(second(case.compute, leaves), second(case.reference, leaves))


def test_the_merged_weight_is_not_kept_for_the_backward_pass():
    case = a_conv()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        leaves = case.leaves()
        case.compute(*leaves)
    known = {t.untyped_storage().data_ptr() for t in (*leaves, case.weight)}
    assert kept
    assert all(t.untyped_storage().data_ptr() in known for t in kept)


BELOW = {
    "gelu": F.gelu,
    "gelu, tanh": partial(F.gelu, approximate="tanh"),
    "layer norm": lambda z: F.layer_norm(z, (6,), normal(5, 6).to(z.dtype), normal(6, 6).to(z.dtype)),
    "layer norm, no bias": lambda z: F.layer_norm(z, (6,), normal(5, 6).to(z.dtype)),
    "layer norm, plain": lambda z: F.layer_norm(z, (6,)),
    "layer norm over two dimensions": lambda z: F.layer_norm(z, tuple(z.shape[-2:])),
}


class Stacked:
    """An adapted layer behind something that keeps its own input, on rows enough for several pieces."""

    def __init__(self, below="gelu", pointwise=False, rows_=rows.CHUNK * 2 + 5):
        self.below = BELOW[below]
        size, one = ((1, 6, rows_, 1), (1, 1)) if pointwise else ((1, rows_, 6), ())
        z = normal(0, *size).contiguous(memory_format=torch.channels_last) if pointwise else normal(0, *size)
        geometry = ((1, 1), (0, 0), (1, 1), 1) if pointwise else None
        weight, A, B = normal(1, 5, 6, *one), normal(3, 4, 6, *one), normal(4, 5, 4, *one)
        self.case = Case(z, weight, normal(2, 5), A, B, geometry)

    def ours(self, z, A, B):
        return self.case.compute(self.below(z), A, B)

    def reference(self, z, A, B):
        return self.case.reference(self.below(z), A, B)


def second(compute, leaves):
    first = torch.autograd.grad(compute(*leaves).pow(3).sum(), leaves, create_graph=True)
    return torch.autograd.grad(sum(grad.square().sum() for grad in first), leaves)


STACKS = [*((below, False) for below in BELOW), ("gelu", True), ("gelu, tanh", True)]


@pytest.mark.parametrize(("below", "pointwise"), STACKS)
@pytest.mark.parametrize("way", ["rule", "auto", *rows.GRADIENTS])
def test_an_input_that_is_made_again_gives_the_same_gradients(below, pointwise, way):
    stacked = Stacked(below, pointwise)
    with kernels.choice(way):
        assert_equal(results(stacked.ours, stacked.case), results(stacked.reference, stacked.case))


@pytest.mark.parametrize("below", BELOW)
@pytest.mark.parametrize("cast", [torch.bfloat16, torch.float32])
def test_in_half_precision_too_whatever_type_comes_from_below(below, cast):
    stacked = Stacked(below)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ours = results(lambda z, A, B: stacked.ours(z.to(cast), A, B), stacked.case, torch.float32)
    # Layer normalization in half precision is off by 2^-9 of itself before the layer begins.
    assert_equal(ours, results(stacked.reference, stacked.case), rtol=6 * 2**-8)


@pytest.mark.parametrize("below", BELOW)
def test_its_second_derivatives_are_right(below):
    stacked = Stacked(below, rows_=7)
    leaves = stacked.case.leaves()
    torch.testing.assert_close(second(stacked.ours, leaves), second(stacked.reference, leaves))


@pytest.mark.parametrize(
    ("below", "pointwise"), [stack for stack in STACKS if stack[0] != "layer norm over two dimensions"]
)
def test_it_is_not_kept(below, pointwise):
    stacked = Stacked(below, pointwise)
    z, A, B = stacked.case.leaves()
    x = stacked.below(z)
    output = weakref.ref(x)
    y = stacked.case.compute(x, A, B)
    del x
    assert output() is None
    y.sum().backward()


def test_a_normalization_of_something_else_than_rows_is_kept():
    geometry = (1, 1), (0, 0), (1, 1), 1
    weight, A, B = normal(1, 3, 1, 1, 1), normal(2, 4, 1, 1, 1), normal(3, 3, 4, 1, 1)
    case = Case(normal(0, 2, 1, 5, 4), weight, None, A, B, geometry)

    def behind(compute):
        return lambda z, A, B: compute(F.layer_norm(z, (4,)), A, B)

    assert_equal(results(behind(case.compute), case), results(behind(case.reference), case))


def test_under_checkpointing_the_gradients_are_the_same():
    stacked = Stacked()

    def again(*leaves):
        return checkpoint(stacked.ours, *leaves, use_reentrant=False)

    assert_equal(results(again, stacked.case), results(stacked.reference, stacked.case))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_a_compiled_network_is_one_graph_with_the_same_gradients(backend):
    torch.compiler.reset()
    dense, deep = a_conv((6, 6)), a_conv((6, 6), kernel=7, groups=6)
    leaves = [*dense.leaves(), *deep.leaves()[1:]]

    def network(x, A, B, deep_A, deep_B):
        return deep.compute(F.relu(dense.compute(x, A, B)), deep_A, deep_B).square().mean()

    expected = torch.autograd.grad(network(*leaves), leaves)
    compiled = torch.compile(network, backend=backend, fullgraph=True)
    torch.testing.assert_close(torch.autograd.grad(compiled(*leaves), leaves), expected)
