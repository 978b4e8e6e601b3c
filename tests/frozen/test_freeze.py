"""What is frozen costs no more than it must: grouped convolutions, and large weights under autocast."""

from __future__ import annotations

import copy
import pickle
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import prune

from tests.adapters.cases import CONV, LAYERS, Case, assert_equal, conv_cases, normal, results
from visionlora.adapters import LoraConfig, attach, detach, merge
from visionlora.frozen.weight import DenseWeight
from visionlora.frozen.whole_weight import frozen_conv
from visionlora.kernels import Geometry
from visionlora.kernels.autotune import implementation, recorded


@given(conv_cases(), st.sampled_from(["rule", "conv", "flipped"]))
@settings(max_examples=100)
def test_a_frozen_convolution_of_any_geometry_has_pytorchs_output_and_input_gradient(case, name):
    layer = case.weight, case.bias, *case.geometry
    with implementation(name):
        ours = frozen_results(compute, case.x, *layer)
    reference = frozen_results(plain, case.x, *layer)
    torch.testing.assert_close(ours, reference, rtol=1e-9, atol=1e-9)


def compute(x, weight, bias, *geometry):
    return frozen_conv(x, DenseWeight(weight), bias, Geometry.of(weight.shape[2:], *geometry))


def plain(x, weight, *rest):
    return CONV[weight.ndim - 2](x, weight, *rest)


def frozen_results(compute, x, *layer):
    x = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    y = compute(x, *layer)
    return y, *torch.autograd.grad(y.pow(3).sum(), x)


def test_a_frozen_grouped_convolution_keeps_no_tensor_for_the_backward_pass():
    case = LAYERS["depthwise, wide, strided"]
    kept = []
    hooks = torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t)
    with implementation("functions"), hooks:
        y = compute(case.x.clone().requires_grad_(), case.weight, case.bias, *case.geometry)
    assert y.requires_grad
    assert not kept


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("early", [True, False], ids=["before", "after"])
@pytest.mark.parametrize(
    "change",
    [
        nn.utils.weight_norm,
        nn.utils.spectral_norm,
        nn.utils.parametrizations.weight_norm,
        partial(prune.l1_unstructured, name="weight", amount=0.5),
    ],
    ids=["weight_norm", "spectral_norm", "parametrization", "pruned"],
)
def test_a_frozen_grouped_convolution_whose_weight_is_computed_stays_what_it_is(change, early):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 3, groups=2)).eval()
    if early:
        change(network[1])
    attach(network, LoraConfig(rank=1, targets="0"))
    if not early:
        change(network[1])
    x = torch.randn(2, 4, 5, 5)
    found = network(x)  # computes the weight
    expected = nn.functional.conv2d(network[0](x), network[1].weight, network[1].bias, groups=2)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", ["conv", "flipped"])
def test_its_second_derivatives_are_right_and_autocast_reaches_it(name):
    case = LAYERS["depthwise, wide, strided"]
    layer = case.weight, case.bias, *case.geometry

    def twice(compute):
        x = case.x.clone().requires_grad_()
        (first,) = torch.autograd.grad(compute(x, *layer).pow(3).sum(), x, create_graph=True)
        return torch.autograd.grad(first.square().sum(), x)

    with implementation(name):
        torch.testing.assert_close(twice(compute), twice(plain))
        single = case.x.float(), case.weight.float(), case.bias.float(), *case.geometry
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y, grad = frozen_results(compute, *single)
            reference_y, reference_grad = frozen_results(plain, *single)
    assert (y.dtype, grad.dtype) == (torch.bfloat16, torch.float32)
    assert grad.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(y, reference_y, rtol=0.05, atol=0.1)
    assert (grad - reference_grad).norm() < 0.05 * reference_grad.norm()


@pytest.mark.parametrize("bias", [True, False])
def test_a_large_weight_for_a_few_rows_is_neither_cast_nor_merged_nor_kept_twice(bias):
    case = Case(
        normal(0, 2, 512), normal(1, 512, 512), normal(2, 512) if bias else None, normal(3, 4, 512),
        normal(4, 512, 4), None,
    )  # fmt: skip
    kept = []
    keep = torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t)
    with recorded() as decided, keep, torch.autocast("cpu", dtype=torch.bfloat16):
        ours = results(case.compute, case, torch.float32)
    assert "branch" in [decision["implementation"] for decision in decided.values()]
    assert not [t for t in kept if t.dtype == torch.bfloat16 and t.numel() == case.weight.numel()]
    assert [t.dtype for t in ours] == [torch.bfloat16, *[torch.float32] * 3]
    assert_equal(ours, results(case.reference, case), rtol=5 * 2**-8)


def network(padding_mode="zeros"):
    torch.manual_seed(0)
    depthwise = nn.Conv2d(4, 4, 3, padding=1, groups=4, padding_mode=padding_mode)
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.SiLU(), depthwise, nn.SiLU(), nn.Conv2d(4, 2, 1))


@pytest.mark.parametrize("padding_mode", ["zeros", "circular"])
@pytest.mark.parametrize(
    "copied", [lambda model: model, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
def test_a_grouped_convolution_beside_adapted_layers_computes_what_it_did(padding_mode, copied):
    plain = network(padding_mode)
    adapted = copied(attach(copy.deepcopy(plain), LoraConfig(rank=2, exclude=["2"])))
    x, y = (torch.randn(2, 3, 6, 6).requires_grad_() for _ in range(2))
    y.data.copy_(x.data)
    torch.testing.assert_close(adapted(x), plain(y))
    adapted(x).sum().backward()
    plain(y).sum().backward()
    torch.testing.assert_close(x.grad, y.grad)


def test_it_keeps_nothing_of_its_input_while_a_network_is_adapted():
    model = attach(network(), LoraConfig(rank=2, exclude=["2"]))
    inputs = []
    model[2].register_forward_pre_hook(
        lambda module, args: inputs.append(args[0])
    )  # alive, so its address stays its own
    kept = []
    hooks = torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.data_ptr()) or t, lambda t: t)
    with implementation("functions"), hooks:
        model(torch.randn(2, 3, 6, 6))
    assert len(inputs) == 1 and inputs[0].data_ptr() not in kept


@pytest.mark.parametrize("plain_again", [detach, merge])
def test_afterwards_it_is_a_plain_one_again(plain_again):
    model = plain_again(attach(network(), LoraConfig(rank=2, exclude=["2"])))
    assert type(model[2]) is nn.Conv2d


@pytest.mark.parametrize("kind", [nn.Embedding, nn.EmbeddingBag])
def test_an_embedding_that_limits_its_norms_computes_what_it_did_and_keeps_its_bits(kind):
    torch.manual_seed(0)
    embedding, indices = kind(10, 4, max_norm=1.0), torch.tensor([[1, 3, 9], [3, 0, 2]])
    model = nn.Sequential(embedding, nn.Linear(4, 2))
    before = embedding.weight.detach().clone()
    attach(model, LoraConfig(rank=2, targets=["1"]))
    found = model(indices)
    assert torch.equal(embedding.weight, before) and not embedding.weight.requires_grad
    if kind is nn.Embedding:
        attach(model, LoraConfig(rank=2, targets=["0"]), name="on the embedding itself")
        torch.testing.assert_close(model[0](indices), embedding(indices))
        detach(model, "on the embedding itself")
    detach(model)
    assert type(embedding) is kind
    assert torch.equal(embedding.weight, before)
    torch.testing.assert_close(model(indices), found)
    assert not torch.equal(embedding.weight, before), "the plain layer no longer limits its norms"
