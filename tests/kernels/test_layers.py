"""Every implementation of an adapted layer gives the same outputs and gradients."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from tests.adapters.cases import (
    LAYERS,
    MATRIX_LAYERS,
    Case,
    a_conv,
    assert_equal,
    conv_cases,
    linear_cases,
    normal,
    results,
    second,
)
from visionlora.frozen.weight import DenseWeight
from visionlora.kernels import LayerTensors, autotune, candidates, convolution, matmul, merged_weight
from visionlora.kernels.autotune import implementation, recorded
from visionlora.kernels.candidates import NAMES
from visionlora.kernels.layers import AdaptedFunction
from visionlora.kernels.matmul import MatrixProduct, has_onednn

IMPLEMENTATIONS = ["rule", "auto", *NAMES]


@given(conv_cases(), st.sampled_from(IMPLEMENTATIONS))
@settings(max_examples=150)
def test_a_convolution_of_any_geometry_has_the_outputs_and_gradients_of_the_merged_weight(case, name):
    with implementation(name):
        assert_equal(results(case.compute, case), results(case.reference, case))


@given(linear_cases(), st.sampled_from(IMPLEMENTATIONS))
@settings(max_examples=80)
def test_a_linear_layer_with_any_leading_dimensions_has_those_of_the_merged_weight(case, name):
    with implementation(name):
        assert_equal(results(case.compute, case), results(case.reference, case))


@given(linear_cases())
@settings(max_examples=40)
def test_onednn_computes_any_linear_layer_in_single_precision(case):
    with implementation("onednn"):
        assert_equal(results(case.compute, case, torch.float32), results(case.reference, case), rtol=1e-4)


@st.composite
def strided_pixels(draw):
    """A convolution of one pixel with a stride, in the memory format and type in which it is a product."""
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)).filter(lambda stride: max(stride) > 1))
    size = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    inputs, outputs, rank, seed = (draw(st.integers(1, top)) for top in (6, 6, 4, 99))
    x = normal(seed, draw(st.integers(1, 3)), inputs, *size)
    return Case(
        x.contiguous(memory_format=torch.channels_last),
        normal(seed + 1, outputs, inputs, 1, 1),
        normal(seed + 2, outputs) if draw(st.booleans()) else None,
        normal(seed + 3, rank, inputs, 1, 1),
        normal(seed + 4, outputs, rank, 1, 1),
        (stride, (0, 0), (1, 1), 1),
    )


@given(strided_pixels(), st.sampled_from(["functions", "onednn", "full", "low_rank"]))
@settings(max_examples=60)
def test_a_strided_convolution_of_one_pixel_is_a_matrix_product_of_the_pixels_that_it_reads(case, name):
    with implementation(name), recorded() as decided:
        ours = results(case.compute, case, torch.float32)
    assert_equal(ours, results(case.reference, case), rtol=1e-4)
    products = [key.split(":")[0] for key in decided if "product" in key]
    assert products == ["linear product" if has_onednn(ours[0]) else "conv product"]
    assert ours[0].is_contiguous(memory_format=torch.channels_last)
    assert ours[1].is_contiguous(memory_format=torch.channels_last)


def pairs():
    """Every layer with every product and gradient that can compute it."""
    for name, case in LAYERS.items():
        geometry, kernel = case.numbers, case.weight.shape[2:]
        others = ["flipped"] * convolution.can_flip(kernel, geometry)
        others += ["winograd"] * convolution.can_winograd(kernel, geometry)
        for product in ["conv", *others]:
            for gradient in convolution.gradients_for(case.x, case.A, geometry):
                yield name, product, gradient


@pytest.mark.parametrize(("layer", "product", "gradient"), pairs())
def test_each_product_and_gradient_that_can_compute_a_convolution_is_exact(layer, product, gradient):
    case = LAYERS[layer]

    def compute(x, A, B):
        return AdaptedFunction.apply(x, *case.layer(A, B), case.numbers, product, gradient)

    assert_equal(results(compute, case), results(case.reference, case))


@pytest.mark.parametrize("gradient", matmul.GRADIENTS)
@pytest.mark.parametrize("product", matmul.PRODUCTS)
def test_each_product_and_gradient_that_can_compute_a_linear_layer_is_exact(gradient, product):
    case = Case(normal(0, 4101, 6), normal(1, 5, 6), normal(2, 5), normal(3, 4, 6), normal(4, 5, 4), None)
    dtype, rtol = (torch.float32, 1e-5) if product == "onednn" else (torch.float64, 1e-9)

    def compute(x, A, B):
        return AdaptedFunction.apply(x, *case.layer(A, B, dtype), MatrixProduct(False), product, gradient)

    assert_equal(results(compute, case, dtype), results(case.reference, case), rtol)


@pytest.mark.parametrize("layer", [*LAYERS, *MATRIX_LAYERS])
@pytest.mark.parametrize("name", ["rule", "onednn", "branch", "full", "low_rank", "columns"])
def test_autocast_computes_in_half_precision_and_gives_gradients_in_single(layer, name):
    case = {**LAYERS, **MATRIX_LAYERS}[layer]
    reference = results(case.reference, case)
    with implementation(name), torch.autocast("cpu", dtype=torch.bfloat16):
        ours = results(case.compute, case, torch.float32)
    assert [t.dtype for t in ours] == [torch.bfloat16, *[torch.float32] * 3]
    # bfloat16 keeps 8 bits: each of x, W', g, u and h is off by up to 2^-9 of itself.
    assert_equal(ours, reference, rtol=5 * 2**-8)


@pytest.mark.parametrize("layer", [*LAYERS, *MATRIX_LAYERS])
@pytest.mark.parametrize("name", ["rule", "onednn"])
def test_float32_is_computed_to_single_precision(layer, name):
    case = {**LAYERS, **MATRIX_LAYERS}[layer]
    with implementation(name):
        ours = results(case.compute, case, torch.float32)
    assert_equal(ours, results(case.reference, case), rtol=1e-5)


def test_onednn_is_a_candidate_in_the_types_that_it_computes_in(monkeypatch):
    monkeypatch.setattr(candidates, "_SMALL", 0)  # none is left to PyTorch's own operations
    single = torch.backends.mkldnn.is_available()
    half = single and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    case = Case(normal(0, 300, 64), normal(0, 64, 64), None, normal(0, 4, 64), normal(0, 64, 4), None)
    for dtype, tried in ((torch.float32, single), (torch.bfloat16, half), (torch.float64, False)):
        with recorded() as decided:
            case.compute(*case.leaves(dtype))
        (product,) = (decision for key, decision in decided.items() if key.startswith("linear product"))
        assert ("onednn" in product["seconds"]) == tried


def test_the_output_keeps_the_memory_format_of_the_input():
    for case in (a_conv(), a_conv(kernel=1), a_conv((6, 6), groups=6)):
        leaves = case.leaves()
        y = case.compute(*leaves)
        assert y.is_contiguous(memory_format=torch.channels_last)
        (grad,) = torch.autograd.grad(y.square().sum(), leaves[0])
        assert grad.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("kernel", "name", "dtype", "rtol"),
    [
        (1, "rule", torch.float64, 1e-9),
        (3, "rule", torch.float64, 1e-9),
        (1, "onednn", torch.float32, 1e-5),
    ],
)
def test_the_next_layer_may_work_in_place_on_the_output(kernel, name, dtype, rtol):
    case = a_conv(kernel=kernel)
    with implementation(name):
        inplace = results(lambda *leaves: F.relu(case.compute(*leaves), inplace=True), case, dtype)
        y = case.compute(*case.leaves(dtype))
    assert_equal(inplace, results(lambda *leaves: F.relu(case.reference(*leaves)), case), rtol)
    assert not y._is_view()
    assert y.is_contiguous(memory_format=torch.channels_last)


def test_gradients_accumulate_over_two_backward_passes():
    case = a_conv()
    x, A, B = case.leaves()
    for _ in range(2):
        case.compute(x, A, B).square().sum().backward()
    twice = A.grad.clone(), B.grad.clone()
    once = torch.autograd.grad(case.compute(x, A, B).square().sum(), (A, B))
    torch.testing.assert_close(twice, tuple(2 * grad for grad in once))


@pytest.mark.parametrize("layer", LAYERS)
def test_one_image_taken_out_of_a_batch_gives_the_gradients_of_that_image(layer):
    case = LAYERS[layer]
    image = case.x[1].unsqueeze(0)  # its strides are not those of a tensor that was made with one image
    A, B = case.leaves()[1:]
    ours = torch.autograd.grad(case.compute(image, A, B).square().sum(), (A, B))
    reference = torch.autograd.grad(case.reference(image, A, B).square().sum(), (A, B))
    torch.testing.assert_close(ours, reference)


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
    monkeypatch.setattr(convolution.Geometry, "grad_input", None)
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


@pytest.mark.parametrize("case", [*MATRIX_LAYERS.values(), a_conv(kernel=1, stride=2)])
def test_second_derivatives_are_right_where_onednn_computes_the_first(case):
    with implementation("onednn"):
        ours = second(case.compute, case.leaves(torch.float32))
    exact = second(case.reference, case.leaves())
    for a, b in zip(ours, exact, strict=True):
        assert (a - b).norm() < 1e-4 * b.norm()


@pytest.mark.parametrize("name", ["rule", "onednn", "branch"])
def test_the_gradient_of_the_input_is_not_a_view(name):
    """To a view autograd could not add the gradient of a second reader in place."""
    case = a_conv(kernel=1)
    seen = []
    x, A, B = case.leaves(torch.float32)
    inner = x * 1
    inner.register_hook(lambda grad: seen.append(grad._is_view()))
    with implementation(name):
        case.compute(inner, A, B).sum().backward()
    assert seen == [False]


def test_the_merged_weight_is_not_kept_for_the_backward_pass():
    case = a_conv()
    kept = []
    hooks = torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t)
    with implementation("functions"), hooks:
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


@pytest.mark.parametrize("size", [(), (3, 3)])
def test_a_large_merged_weight_is_exact_too(size):
    weight, A = normal(0, 1024, 512, *size), normal(1, 4, 512, *size)
    B = normal(2, 1024, 4, *(1 for _ in size))
    with torch.no_grad():
        merged = merged_weight(LayerTensors(DenseWeight(weight.float()), None, A.float(), B.float(), 0.5))
    expected = weight + 0.5 * (B.flatten(1) @ A.flatten(1)).view(weight.shape)
    torch.testing.assert_close(merged.double(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["strided", "linear"])
def test_on_another_device_than_the_cpu_pytorchs_own_operations_compute_a_layer(name):
    case = {**LAYERS, **MATRIX_LAYERS}[name]
    there = Case(
        *(
            None if one is None else one.to("meta")
            for one in (case.x, case.weight, case.bias, case.A, case.B)
        ),
        case.geometry,
    )
    with recorded() as decided:
        y = there.compute(*there.leaves())
    assert not decided and "Adapted" not in y.grad_fn.name()
    assert y.shape == case.compute(*case.leaves()).shape


@pytest.mark.parametrize("case", [a_conv(), *MATRIX_LAYERS.values()])
def test_little_work_is_left_to_pytorchs_own_operations(case):
    with implementation("auto"), recorded() as decided:
        y = case.compute(*case.leaves(torch.float32))
    assert [decision["implementation"] for decision in decided.values()] == ["autograd"]
    assert "Adapted" not in y.grad_fn.name()


@pytest.mark.parametrize("faster", ["functions", "autograd"])
def test_a_layer_of_more_work_is_computed_by_what_took_less_time(faster, monkeypatch):
    """The layer whole, with its gradients; larger layers are left to our functions without a choice."""
    case = a_conv()

    def seconds(run, device):
        return 1.0 if run.args[-1] == faster else 2.0

    monkeypatch.setattr(autotune, "_MIN_WORK", 1)
    monkeypatch.setattr(autotune, "timed", seconds)
    monkeypatch.setattr(autotune, "cache_file", lambda device: None)
    autotune.forget()
    with implementation("auto"), recorded() as decided:
        y = case.compute(*case.leaves(torch.float32))
    autotune.forget()
    assert {d["implementation"] for key, d in decided.items() if key.startswith("layer:")} == {faster}
    assert ("Adapted" in y.grad_fn.name()) == (faster == "functions")
    monkeypatch.setattr(candidates, "_SMALL", 1)
    with implementation("auto"), recorded() as decided:
        case.compute(*case.leaves(torch.float32))
    assert not [key for key in decided if key.startswith("layer:")]


def test_a_layer_may_be_timed_inside_activation_checkpointing(monkeypatch):
    """Checkpointing compares what is saved in the forward pass with what is saved when it is done again."""
    case = a_conv()
    monkeypatch.setattr(autotune, "_MIN_WORK", 1)
    monkeypatch.setattr(autotune, "cache_file", lambda device: None)
    autotune.forget()
    with implementation("auto"), recorded() as decided:
        leaves = case.leaves(torch.float32)
        y = checkpoint(case.compute, *leaves, use_reentrant=False)
        y.sum().backward()
    autotune.forget()
    assert [key for key in decided if key.startswith("layer:")]
    assert all(leaf.grad is not None for leaf in leaves if leaf.requires_grad)
