"""Layers with a computed weight: output and gradients are PyTorch's, by every implementation."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor
from torch.nn import functional as F

from tests.adapters.cases import CONV, LAYERS, MATRIX_LAYERS, Case, conv_cases, second
from visionlora.frozen.weight import DenseWeight
from visionlora.frozen.whole_weight import computed_conv, computed_linear
from visionlora.kernels.autotune import implementation
from visionlora.kernels.candidates import NAMES

EVERY_LAYER = {**LAYERS, **MATRIX_LAYERS}


def compute(case: Case, x: Tensor, weight: Any) -> Tensor:
    bias = None if case.bias is None else case.bias.to(x.dtype)
    if case.geometry is None:
        return computed_linear(x, weight, bias)
    return computed_conv(x, weight, bias, case.numbers)


def reference(case: Case, x: Tensor, weight: Tensor) -> Tensor:
    if case.geometry is None:
        return F.linear(x, weight, case.bias)
    return CONV[weight.ndim - 2](x, weight, case.bias, *case.geometry)


def leaves(case: Case, dtype: torch.dtype = torch.double) -> list[Tensor]:
    return [t.detach().to(dtype).requires_grad_() for t in (case.x, case.weight)]


def assert_same(case: Case, dtype: torch.dtype = torch.double, rtol: float = 1e-9) -> None:
    results = []
    for function, kind in ((compute, dtype), (reference, torch.double)):
        x, weight = leaves(case, kind)
        y = function(case, x, weight)
        g = torch.randn(y.shape, dtype=torch.double, generator=torch.Generator().manual_seed(0))
        results.append([y, *torch.autograd.grad(y, [x, weight], g.to(kind))])
    for ours, expected in zip(*results, strict=True):
        assert ours.shape == expected.shape
        assert (ours.double() - expected).norm() <= rtol * expected.norm()


@settings(max_examples=60)
@given(case=conv_cases())
def test_a_convolution_of_any_geometry_has_pytorchs_output_and_gradients(case: Case) -> None:
    assert_same(case)


@pytest.mark.parametrize("name", ["rule", "auto", *NAMES])
@pytest.mark.parametrize("layer", EVERY_LAYER)
def test_every_implementation_has_pytorchs_output_and_gradients(layer: str, name: str) -> None:
    with implementation(name):
        assert_same(EVERY_LAYER[layer], torch.float32, 1e-5)


@pytest.mark.parametrize("layer", EVERY_LAYER)
def test_a_frozen_weight_gives_the_gradient_of_the_input_alone(layer: str) -> None:
    case = EVERY_LAYER[layer]
    x, weight = leaves(case)
    frozen = compute(case, x, DenseWeight(weight.detach()))
    expected = reference(case, x, weight.detach())
    torch.testing.assert_close(frozen, expected)
    (ours,), (theirs,) = (torch.autograd.grad(y.square().sum(), [x]) for y in (frozen, expected))
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("layer", ["dense", "depthwise", "pointwise", "linear"])
def test_second_derivatives_are_pytorchs(layer: str) -> None:
    case = EVERY_LAYER[layer]
    ours = second(lambda x, weight: compute(case, x, weight), leaves(case))
    expected = second(lambda x, weight: reference(case, x, weight), leaves(case))
    for one, other in zip(ours, expected, strict=True):
        torch.testing.assert_close(one, other)
