"""Every way to compute an adapted layer gives the same outputs and gradients."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from tests.lora.cases import SCALING, Case, assert_equal, normal, results, second
from visionlora.lora import convs, kernels, rows
from visionlora.lora.convs import Geometry
from visionlora.lora.functions import ConvFunction, RowsFunction

settings.register_profile("kernels", deadline=None, derandomize=True)
settings.load_profile("kernels")


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
