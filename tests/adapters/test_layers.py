from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from tests.adapters.networks import WEIGHT_FAMILIES, only, perturb, small_network
from visionlora.adapters import (
    FAMILIES,
    AdaptedLayer,
    LoraConfig,
    LoraError,
    adapters_off,
    attach,
    detach,
    merge,
    merged,
)
from visionlora.kernels import Geometry, conv_branch

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-10}


@st.composite
def convolutions(draw, dtype=None):
    """A convolution, and an input for it."""
    dims = draw(st.integers(1, 3))
    groups = draw(st.sampled_from([1, 1, 2, 3, 4]))
    inputs, outputs = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))

    def each(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(dims))

    padding = draw(st.sampled_from(["same", "valid", "numbers"]))
    layer = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dims - 1](
        inputs,
        outputs,
        each(1, 3),
        stride=1 if padding == "same" else each(1, 2),
        padding=each(0, 2) if padding == "numbers" else padding,
        dilation=each(1, 2),
        groups=groups,
        bias=draw(st.booleans()),
        padding_mode=draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"])),
        dtype=dtype or draw(st.sampled_from([torch.float32, torch.float64])),
    )
    torch.manual_seed(draw(st.integers(0, 2**16)))
    batch = draw(st.sampled_from([(), (1,), (2,)]))
    if layer.padding_mode == "reflect" and dims == 3:
        batch = batch or (1,)
    x = torch.randn(*batch, inputs, *each(5, 6), dtype=layer.weight.dtype)
    return layer, x


@st.composite
def linears(draw, dtype=None):
    """A linear layer, and an input for it."""
    inputs, outputs = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    dtype = dtype or draw(st.sampled_from([torch.float32, torch.float64]))
    layer = nn.Linear(inputs, outputs, bias=draw(st.booleans()), dtype=dtype)
    torch.manual_seed(draw(st.integers(0, 2**16)))
    batch = draw(st.sampled_from([(), (3,), (2, 3)]))
    return layer, torch.randn(*batch, inputs, dtype=layer.weight.dtype)


layers_and_inputs = convolutions() | linears()
ranks = st.integers(1, 4)


def adapt(layer: nn.Module, rank: int, dropout: float = 0.0) -> AdaptedLayer:
    attach(layer, LoraConfig(rank=rank, alpha=3, dropout=dropout))
    with torch.no_grad():
        only(layer).lora_B.normal_()
    return layer


@settings(deadline=None, max_examples=60)
@given(layers_and_inputs, ranks)
def test_at_step_0_an_adapted_layer_computes_exactly_what_its_base_does(case, rank):
    layer, x = case
    before = layer(x)
    attach(layer, LoraConfig(rank=rank, dropout=0.5))
    assert torch.equal(layer.eval()(x), before)
    assert torch.equal(layer.train()(x), before)


@pytest.mark.parametrize("dilation", [1, (1, 2)])
def test_at_step_0_a_convolution_of_one_pixel_computes_what_its_base_does(dilation):
    torch.manual_seed(1)
    layer, x = nn.Conv2d(1, 1, 1, dilation=dilation), torch.randn(2, 1, 5, 5)
    before = layer(x)
    attach(layer, LoraConfig(rank=1))
    assert torch.equal(layer(x), before)


@settings(deadline=None, max_examples=60)
@given(layers_and_inputs, ranks)
def test_adapted_merged_and_plain_layers_agree(case, rank):
    layer, x = case
    adapt(layer, rank)
    adapted = layer(x)
    tolerance = TOLERANCE[x.dtype]
    with merged(layer):
        torch.testing.assert_close(layer(x), adapted, rtol=tolerance, atol=tolerance)
    base = layer.base_class
    merge(layer)
    assert type(layer) is base
    assert not any("lora" in name for name in vars(layer) | layer.state_dict())
    torch.testing.assert_close(layer(x), adapted, rtol=tolerance, atol=tolerance)


@settings(deadline=None, max_examples=60)
@given(convolutions(torch.float64) | linears(torch.float64), ranks)
def test_the_branch_of_dropout_is_the_update(case, rank):
    layer, x = case
    adapt(layer, rank, dropout=1e-12)  # drops nothing, but takes the branch
    torch.testing.assert_close(layer.train()(x), layer.eval()(x), rtol=1e-9, atol=1e-9)


@settings(deadline=None, max_examples=60)
@given(convolutions() | linears(), ranks, st.booleans())
def test_gradients_are_those_of_double_precision_autograd_on_the_formula(case, rank, branch):
    layer, x = case
    adapt(layer, rank, dropout=1e-12 if branch else 0.0).train()
    A, B = (part.detach().double().requires_grad_() for part in (only(layer).lora_A, only(layer).lora_B))
    weight = layer.base_weight.double() + 3 / rank * (B.flatten(1) @ A.flatten(1)).view(layer.weight.shape)
    plain = copy.deepcopy(layer)
    detach(plain).double()
    exact_x, x = x.double().requires_grad_(), x.requires_grad_()
    exact = torch.func.functional_call(plain, {"weight": weight}, exact_x)
    weigh = torch.randn_like(exact)
    wanted = torch.autograd.grad((exact * weigh).sum(), (A, B, exact_x))
    found = torch.autograd.grad(
        (layer(x) * weigh.to(x.dtype)).sum(), (only(layer).lora_A, only(layer).lora_B, x)
    )
    tolerance = TOLERANCE[x.dtype]
    for left, right in zip(found, wanted, strict=True):
        scale = right.abs().max().item() + 1
        torch.testing.assert_close(left.double(), right, rtol=tolerance, atol=tolerance * scale)


@settings(deadline=None, max_examples=30)
@given(layers_and_inputs, ranks)
def test_detaching_gives_back_the_same_tensors(case, rank):
    layer, x = case
    weight, copied, before, kind = layer.weight, layer.weight.detach().clone(), layer(x), type(layer)
    adapt(layer, rank)
    with merged(layer):
        layer(x)
    detach(layer)
    assert type(layer) is kind
    assert layer.weight is weight
    assert torch.equal(weight, copied)
    assert torch.equal(layer(x), before)


@settings(deadline=None, max_examples=30)
@given(layers_and_inputs, ranks)
def test_a_switched_off_layer_is_the_base_layer_merged_or_not(case, rank):
    layer, x = case
    before = layer(x)
    adapt(layer, rank)
    with adapters_off(layer), merged(layer):
        assert torch.equal(layer(x), before)
    with merged(layer), adapters_off(layer):
        assert torch.equal(layer(x), before)


def test_dropout_falls_on_the_adapters_input_alone_and_only_in_training():
    torch.manual_seed(0)
    layer = adapt(nn.Linear(64, 4, bias=False), 2, dropout=0.5)
    x = torch.randn(8, 64)
    frozen, full = F.linear(x, layer.base_weight), layer.eval()(x)
    layer.train()
    torch.manual_seed(1)
    found = layer(x)
    torch.manual_seed(1)
    dropped = F.dropout(x, 0.5)
    torch.testing.assert_close(found, frozen + F.linear(dropped, layer.update()))
    mean = torch.stack([layer(x) for _ in range(4000)]).mean(0)
    torch.testing.assert_close(mean, full, rtol=0.1, atol=0.15 * full.std().item())


def test_dropout_reaches_a_weight_that_is_read_and_has_the_right_mean():
    torch.manual_seed(0)
    layer = adapt(nn.Conv2d(4, 3, 3), 2, dropout=0.5).train()
    reads = torch.stack([layer.weight.detach() for _ in range(4000)])
    assert reads.std(0).max() > 0.01
    torch.testing.assert_close(reads.mean(0), layer.adapted_weight(), rtol=0.1, atol=0.1)


def test_the_weight_of_an_adapted_layer_is_the_one_it_computes_with():
    layer = nn.Conv2d(2, 3, 3)
    base = layer.weight
    adapt(layer, 2)
    expected = base + layer.update()
    torch.testing.assert_close(layer.weight, expected)
    assert layer.base_weight is base is dict(layer.named_parameters())["weight"]
    layer.weight.sum().backward()
    assert only(layer).lora_A.grad is not None and base.grad is None
    with adapters_off(layer):
        assert layer.weight is base


def test_a_grouped_update_is_that_of_the_dense_matrices():
    layer = nn.Conv2d(4, 6, 3, groups=2, bias=False, dtype=torch.float64)
    adapt(layer, 2)
    x = torch.randn(1, 4, 5, 5, dtype=torch.float64)
    adapter = only(layer)
    by_hand = torch.cat(
        [
            F.conv2d(F.conv2d(x[:, 2 * g : 2 * g + 2], adapter.lora_A), adapter.lora_B[3 * g : 3 * g + 3])
            for g in (0, 1)
        ],
        dim=1,
    )
    branch = conv_branch(x, only(layer).lora_A, only(layer).lora_B, 1.5, Geometry((1, 1), (0, 0), (1, 1), 2))
    torch.testing.assert_close(branch, 1.5 * by_hand)


class Standardised(nn.Conv2d):
    """A convolution with a forward pass of its own."""

    def forward(self, x):
        weight = (self.weight - self.weight.mean()) / self.weight.std()
        return self._conv_forward(x, weight, self.bias) * 2


class Padded(nn.Conv2d):
    """A convolution that prepares its input and leaves the rest to its parent."""

    def forward(self, x):
        return super().forward(F.pad(x, (1, 0, 1, 0)))


class Tail(nn.Conv2d):
    """A convolution that changes the inner step."""

    def _conv_forward(self, x, weight, bias):
        return super()._conv_forward(x, weight, bias).relu()


class Named(nn.Linear):
    """A linear layer that only has another name."""


@pytest.mark.parametrize("kind", [Standardised, Padded, Tail])
def test_a_subclass_computes_in_its_own_way_with_the_adapted_weight(kind):
    torch.manual_seed(0)
    layer, x = kind(3, 4, 3), torch.randn(2, 3, 6, 6)
    before = layer(x)
    adapt(layer, 2)
    assert isinstance(layer, kind) and isinstance(layer, AdaptedLayer)
    adapted = layer(x)
    assert not torch.allclose(adapted, before)
    adapted.sum().backward()
    assert only(layer).lora_A.grad.abs().sum() > 0
    clone = copy.deepcopy(layer)
    assert torch.equal(clone(x), adapted)
    merge(clone)
    assert type(clone) is kind
    torch.testing.assert_close(clone(x), adapted)
    assert torch.equal(detach(layer)(x), before)


def test_a_subclass_that_only_has_a_name_is_adapted_as_its_parent():
    layer = adapt(Named(3, 2), 1, dropout=0.5)
    assert isinstance(layer, Named)
    assert type(layer).forward is type(adapt(nn.Linear(3, 2), 1)).forward


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_adapters_of_a_low_precision_network_are_single_precision(dtype):
    layer = adapt(nn.Conv2d(3, 4, 3, dtype=dtype), 2)
    assert only(layer).lora_A.dtype == only(layer).lora_B.dtype == torch.float32
    x = torch.randn(1, 3, 5, 5, dtype=dtype)
    adapted = layer(x)
    assert adapted.dtype == dtype
    exact = layer.base_weight.float() + layer.update()
    merge(layer)
    assert torch.equal(layer.weight, exact.to(dtype))  # cast once
    assert torch.equal(layer(x), adapted)


def test_autocast_does_not_coarsen_the_merged_weight():
    layer, x = nn.Conv2d(3, 4, 3), torch.randn(1, 3, 5, 5)
    adapt(layer, 2)
    outside = layer.weight
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layer.weight, outside)
        y = layer(x)
        assert y.dtype == torch.bfloat16
        y.float().sum().backward()
    assert only(layer).lora_A.grad.dtype == torch.float32


@pytest.mark.parametrize("family", WEIGHT_FAMILIES)
def test_channels_last_survives(family):
    layer = attach(nn.Conv2d(8, 16, 3), LoraConfig(family=family, rank=2))
    layer.to(memory_format=torch.channels_last)
    x = torch.randn(2, 8, 6, 6).contiguous(memory_format=torch.channels_last)
    assert layer(x).is_contiguous(memory_format=torch.channels_last)
    with merged(layer):
        assert layer.weight.is_contiguous(memory_format=torch.channels_last)
    merge(layer)
    assert layer.weight.is_contiguous(memory_format=torch.channels_last)


def test_a_layer_on_the_meta_device_can_be_adapted_and_run():
    with torch.device("meta"):
        layer = nn.Conv2d(3, 4, 3)
        x = torch.empty(1, 3, 5, 5)
    attach(layer)
    assert layer(x).shape == (1, 4, 3, 3)


@pytest.mark.parametrize("fill", ["to_empty", "assign"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_network_that_was_adapted_on_the_meta_device_gets_its_values_from_a_state(family, fill):
    targets = {"visual_prompt": "0", "cross_group": "4", "bias": ["0", "4"], "conv_adapter": ["0", "4"]}
    options = {"size": 9, "width": 2} if family == "visual_prompt" else {}
    config = LoraConfig(family=family, rank=2, targets=targets.get(family, "all"), options=options)
    with torch.device("meta"):
        network = small_network()
    attach(network, config)
    complete = attach(small_network(), config)
    perturb(complete)
    if fill == "to_empty":
        network.to_empty(device="cpu")
    network.load_state_dict(complete.state_dict(), assign=fill == "assign")
    x = torch.randn(2, 3, 9, 9)
    assert torch.equal(network.eval()(x), complete(x))


def test_hooks_and_own_attributes_stay():
    layer, seen = nn.Linear(2, 2), []
    layer.register_forward_hook(lambda *_: seen.append(1))
    layer.note = "mine"
    adapt(layer, 1)(torch.zeros(2))
    detach(layer)(torch.zeros(2))
    assert seen == [1, 1] and layer.note == "mine"


def test_what_cannot_be_adapted_says_why():
    with pytest.raises(LoraError, match="re-parametrised"):
        attach(nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(1, 1, 1))))
    with pytest.raises(LoraError, match="re-parametrised"):
        attach(nn.Sequential(nn.utils.spectral_norm(nn.Linear(2, 2))))
    for lazy in (nn.LazyConv2d(2, 1), nn.LazyBatchNorm2d()):
        with pytest.raises(LoraError, match="1: it is not initialised yet: run the model once"):
            attach(nn.Sequential(nn.Conv2d(1, 2, 1), lazy))
    with pytest.raises(LoraError, match="float8_e4m3fn can't be adapted"):
        attach(nn.Linear(2, 2).to(torch.float8_e4m3fn))


X = torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("layer", "call"),
    [
        (lambda: nn.Conv2d(4, 4, 3), lambda layer: layer(input=X)),
        (lambda: nn.Linear(6, 4), lambda layer: layer(input=X)),
        (lambda: nn.ConvTranspose2d(4, 4, 3, stride=2), lambda layer: layer(X, output_size=(14, 14))),
        (lambda: nn.Embedding(9, 4, sparse=True), lambda layer: layer(input=torch.tensor([3, 8]))),
        (
            lambda: nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 4, 1)),
            lambda two: two[0](input=X),
        ),
    ],
)
def test_a_layer_is_called_as_its_base_is(layer, call):
    network = layer()
    plain = call(network)
    network.requires_grad_(False)
    attach(network, LoraConfig(rank=2, exclude=["0"] if isinstance(network, nn.Sequential) else []))
    adapted = call(network)
    torch.testing.assert_close(adapted, plain)
    if adapted.requires_grad:
        adapted.sum().backward()


@pytest.mark.parametrize("family", WEIGHT_FAMILIES)
def test_a_network_that_is_cast_to_half_precision_leaves_its_adapters_in_single(family):
    layer = attach(nn.Conv2d(4, 4, 3), LoraConfig(family=family, rank=2))
    perturb(layer, 0.1)
    expected, held = layer(X), {name: one.clone() for name, one in layer.adapters.named_parameters()}
    layer.to(torch.bfloat16)
    torch.testing.assert_close(layer(X.bfloat16()).float(), expected, rtol=0.1, atol=0.1)
    assert all(torch.equal(one, held[name]) for name, one in layer.adapters.named_parameters())
