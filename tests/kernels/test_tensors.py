"""The kernels compute with any frozen weight, and inside `torch.func` transforms."""

from __future__ import annotations

import weakref

import pytest
import torch
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F

from tests.adapters.cases import LAYERS, MATRIX_LAYERS, a_conv, assert_equal, results
from visionlora.frozen.weight import DenseWeight
from visionlora.frozen.whole_weight import frozen_conv
from visionlora.kernels import Geometry, adapted_conv, adapted_linear
from visionlora.kernels.autotune import implementation
from visionlora.kernels.candidates import NAMES

EVERY_LAYER = {**LAYERS, **MATRIX_LAYERS}


class StoredElsewhere:
    """A frozen weight whose dense tensor is made whenever it is asked for, like a quantised one."""

    requires_grad = is_stored = False

    def __init__(self, tensor):
        self._rows = list(tensor)
        self.shape, self.dtype, self.device = tensor.shape, tensor.dtype, tensor.device
        self.made = []

    def dense(self, dtype=None):
        tensor = torch.stack(self._rows).to(dtype or self.dtype)
        self.made.append(weakref.ref(tensor))
        return tensor


def compute(case, weight):
    def layer(x, A, B):
        tensors = case.layer(A, B)._replace(weight=weight)
        if case.geometry is None:
            return adapted_linear(x, tensors)
        return adapted_conv(x, tensors, case.numbers)

    return layer


def test_a_dense_weight_is_the_tensor_itself_unless_another_type_is_asked_for():
    tensor = torch.randn(3, 4)
    weight = DenseWeight(tensor)
    assert weight.dense() is tensor and weight.dense(torch.float32) is tensor
    assert weight.dense(torch.bfloat16).dtype == torch.bfloat16
    assert (weight.shape, weight.dtype, weight.device) == (tensor.shape, tensor.dtype, tensor.device)
    assert not weight.requires_grad and DenseWeight(tensor.requires_grad_()).requires_grad


@pytest.mark.parametrize("name", ["rule", *NAMES])
@pytest.mark.parametrize("layer", EVERY_LAYER)
def test_a_weight_that_is_not_stored_as_a_tensor_gives_the_same_results(layer, name):
    case = EVERY_LAYER[layer]
    with implementation(name):
        ours = results(compute(case, StoredElsewhere(case.weight)), case)
    assert_equal(ours, results(case.reference, case))


@pytest.mark.parametrize("layer", EVERY_LAYER)
def test_a_dense_tensor_that_was_made_for_a_layer_is_not_kept_for_the_backward_pass(layer):
    case = EVERY_LAYER[layer]
    weight = StoredElsewhere(case.weight)
    y = compute(case, weight)(*case.leaves())
    assert weight.made and all(made() is None for made in weight.made)
    y.sum().backward()
    assert all(made() is None for made in weight.made)


def test_a_frozen_convolution_computes_with_any_weight_and_keeps_nothing():
    case = EVERY_LAYER["depthwise"]
    weight, x = StoredElsewhere(case.weight), case.x.clone().requires_grad_()
    y = frozen_conv(x, weight, case.bias, case.numbers)
    assert all(made() is None for made in weight.made)
    expected = F.conv2d(x, case.weight, case.bias, *case.geometry)
    torch.testing.assert_close(y, expected)
    g = torch.randn_like(y)
    torch.testing.assert_close(torch.autograd.grad(y, x, g), torch.autograd.grad(expected, x, g))


@pytest.mark.parametrize(("kernel", "dilation"), [((2, 3), (1, 1)), ((3, 3), (1, 1)), ((2, 2), (1, 3))])
def test_padding_same_and_valid_are_those_of_pytorch(kernel, dilation):
    case = a_conv()
    weight = torch.randn(4, 6, *kernel, dtype=torch.float64)
    for padding in ("same", "valid"):
        geometry = Geometry.of(kernel, (1, 1), padding, dilation, 1)
        ours = frozen_conv(case.x, DenseWeight(weight), None, geometry)
        torch.testing.assert_close(ours, F.conv2d(case.x, weight, None, 1, padding, dilation))


@pytest.mark.parametrize("layer", EVERY_LAYER)
def test_the_gradient_transform_gives_what_backward_gives(layer):
    case = EVERY_LAYER[layer]
    leaves = case.leaves()
    expected = torch.autograd.grad(case.compute(*leaves).square().sum(), leaves)
    ours = grad(lambda *leaves: case.compute(*leaves).square().sum(), argnums=(0, 1, 2))(*leaves)
    torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize("layer", EVERY_LAYER)
def test_gradients_of_single_images_are_those_of_a_loop(layer):
    case = EVERY_LAYER[layer]
    x, A, B = case.leaves()

    def loss(A, B, image):
        return case.compute(image.unsqueeze(0), A, B).square().sum()

    ours = vmap(grad(loss, argnums=(0, 1)), in_dims=(None, None, 0))(A, B, x.detach())
    loop = [torch.autograd.grad(loss(A, B, image), (A, B)) for image in x.detach()]
    for a, b in zip(ours, zip(*loop, strict=True), strict=True):
        torch.testing.assert_close(a, torch.stack(b))


def test_several_sets_of_adapters_run_at_once_without_a_graph():
    case = a_conv((8, 8), kernel=1)
    A, B = torch.randn(3, 4, 8, 1, 1), torch.randn(3, 8, 4, 1, 1)
    x = case.x[:, :6].float().new_ones(2, 8, 5, 5)
    with torch.no_grad():
        ours = vmap(lambda A, B: case.compute(x, A, B))(A, B)
        loop = torch.stack([case.compute(x, a, b) for a, b in zip(A, B, strict=True)])
    torch.testing.assert_close(ours, loop)


def test_an_adapted_network_works_under_the_gradient_transform():
    from visionlora.adapters import LoraConfig, attach

    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten(), torch.nn.Linear(64, 2))
    attach(network, LoraConfig(rank=2))
    parameters = {name: p for name, p in network.named_parameters() if p.requires_grad}
    x = torch.randn(2, 3, 6, 6)
    ours = grad(lambda p: functional_call(network, p, (x,)).square().sum())(parameters)
    expected = torch.autograd.grad(network(x).square().sum(), list(parameters.values()))
    torch.testing.assert_close(tuple(ours.values()), expected)
