"""Winograd's algorithm gives what a convolution gives."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from tests.adapters.cases import a_conv, assert_equal, normal, results, second
from visionlora.kernels import candidates, winograd
from visionlora.kernels.autotune import implementation, recorded
from visionlora.kernels.layers import AdaptedFunction


def error(ours, reference):
    return float((ours.double() - reference).norm() / reference.norm().clamp_min(1e-12))


@st.composite
def layers(draw):
    """x, weight and bias of a 3 x 3 convolution of any size, in any memory format, and its padding."""
    padding = draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    size = [draw(st.integers(max(1, 3 - 2 * pad), 14)) for pad in padding]
    images, inputs, outputs, seed = (draw(st.integers(1, top)) for top in (3, 5, 5, 99))
    last = draw(st.sampled_from([torch.channels_last, torch.contiguous_format]))
    x = normal(seed, images, inputs, *size).contiguous(memory_format=last)
    weight = normal(seed + 1, outputs, inputs, 3, 3).contiguous(memory_format=last)
    return x, weight, normal(seed + 2, outputs) if draw(st.booleans()) else None, padding


@given(layers())
@settings(max_examples=150)
def test_the_output_is_that_of_the_convolution(layer):
    x, weight, bias, padding = layer
    y = winograd.convolve(x, weight, bias, padding)
    reference = F.conv2d(x, weight, bias, padding=padding)
    assert y.shape == reference.shape
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert error(y, reference) < 1e-13


@given(layers().filter(lambda layer: max(layer[3]) <= 2))
@settings(max_examples=100)
def test_flipped_it_is_the_gradient_of_the_input(layer):
    x, weight, _, padding = layer
    x.requires_grad_()
    y = F.conv2d(x, weight, padding=padding)
    g = torch.randn_like(y)
    (reference,) = torch.autograd.grad(y, x, g)
    ours = winograd.convolve(g, weight, None, [2 - pad for pad in padding], flipped=True)
    assert error(ours, reference) < 1e-13


@pytest.mark.parametrize("size", [(1, 9), (9, 1), (40, 97), (5, 400), (400, 5), (84, 84)])
def test_it_is_computed_in_pieces_of_any_number_of_images_and_rows(size):
    x, weight = normal(0, 7, 2, *size), normal(1, 3, 2, 3, 3)
    reference = F.conv2d(x, weight, padding=1)
    assert error(winograd.convolve(x, weight, None, (1, 1)), reference) < 1e-13


def test_a_row_of_tiles_that_is_longer_than_a_piece_is_a_piece_of_its_own():
    x, weight = normal(0, 1, 1, 9, 4 * winograd.PIECE + 9), normal(1, 1, 1, 3, 3)
    reference = F.conv2d(x, weight, padding=1)
    assert error(winograd.convolve(x, weight, None, (1, 1)), reference) < 1e-13


def test_in_single_precision_it_loses_few_bits():
    x, weight = normal(0, 2, 256, 20, 20).relu(), normal(1, 64, 256, 3, 3)
    reference = F.conv2d(x, weight, padding=1)
    ours = winograd.convolve(x.float(), weight.float(), None, (1, 1))
    assert error(ours, reference) < 5e-6


WIDE = a_conv((64, 64), size=12)
"""A layer that has enough channels for it."""

needs_onednn = pytest.mark.skipif(
    not winograd.may_be_fastest(WIDE.x.float(), WIDE.weight.shape[:2]), reason="this PyTorch has no oneDNN"
)


def products(case, dtype):
    """The decision about the product of a layer."""
    with recorded() as decided:
        case.compute(*case.leaves(dtype))
    return next(decision for key, decision in decided.items() if key.startswith("conv product"))


@needs_onednn
def test_it_is_timed_beside_the_convolution_where_it_can_be_faster(monkeypatch):
    monkeypatch.setattr(candidates, "_SMALL", 0)  # none is left to PyTorch's own operations
    assert "winograd" in products(WIDE, torch.float32)["seconds"]
    assert "winograd" not in products(WIDE, torch.float64)["seconds"]
    assert "winograd" not in products(WIDE, torch.bfloat16)["seconds"]


@needs_onednn
def test_chosen_by_name_it_computes_what_it_can_and_the_rule_decides_about_the_rest():
    with implementation("winograd"):
        ours = results(WIDE.compute, WIDE, torch.float32)
        assert products(WIDE, torch.float32)["implementation"] == "winograd"
        assert products(a_conv(), torch.float64)["implementation"] == "conv"
    assert_equal(ours, results(WIDE.reference, WIDE), rtol=1e-5)


def test_second_derivatives_are_exact():
    case = a_conv()

    def compute(x, A, B):
        return AdaptedFunction.apply(x, *case.layer(A, B), case.numbers, "winograd", "low_rank")

    torch.testing.assert_close(second(compute, case.leaves()), second(case.reference, case.leaves()))
