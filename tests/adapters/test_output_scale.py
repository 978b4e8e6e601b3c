"""Families that scale the outputs of a low-rank change: outputs and gradients are those of the definition."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.adapters.networks import only, perturb
from visionlora.adapters import (
    LoraConfig,
    adapted_layers,
    adapter_parameters,
    attach,
    fold_batch_norm,
    kinds,
)
from visionlora.adapters.faster_computation import OUTPUTS, WHOLE
from visionlora.frozen import whole_weight
from visionlora.kernels.autotune import implementation, recorded, replay

LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "linear": (lambda: nn.Linear(12, 12), (3, 4, 12)),
    "conv1d": (lambda: nn.Conv1d(4, 12, 3, bias=False), (2, 4, 9)),
    "conv2d": (lambda: nn.Conv2d(4, 12, 3, padding=1), (2, 4, 6, 5)),
    "pointwise": (lambda: nn.Conv2d(4, 12, 1), (2, 4, 6, 5)),
    "strided": (lambda: nn.Conv2d(4, 12, 3, stride=2, dilation=2), (2, 4, 9, 8)),
    "grouped": (lambda: nn.Conv2d(4, 12, 3, groups=2), (2, 4, 6, 5)),
    "depthwise": (lambda: nn.Conv2d(4, 4, 3, groups=4, bias=False), (2, 4, 6, 5)),
    "conv3d": (lambda: nn.Conv3d(2, 12, 2), (2, 2, 4, 4, 4)),
    "without a batch": (lambda: nn.Conv2d(4, 12, 3), (4, 6, 5)),
}


def outputs_and_gradients(model: nn.Module, x: Tensor) -> list[Tensor]:
    x = x.clone().requires_grad_()
    y = torch.relu_(model(x))  # in place, as networks do it
    gradients = torch.autograd.grad((y * y.detach().cos()).sum(), [x, *adapter_parameters(model)])
    return [y.detach(), *gradients]


def both_ways(model: nn.Module, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """From the output, and with the gradient of the whole weight."""
    with implementation(OUTPUTS):
        fast = outputs_and_gradients(model, x)
    with implementation(WHOLE):
        return fast, outputs_and_gradients(model, x)


def assert_same(model: nn.Module, x: Tensor) -> None:
    for ours, expected in zip(*both_ways(model, x), strict=True):
        torch.testing.assert_close(ours, expected)


CONFIGS = {
    "dora": LoraConfig(family="dora", rank=2),
    "ia3": LoraConfig(family="ia3"),
    "oft": LoraConfig(family="oft", rank=2, options={"side": "output"}),
    "boft": LoraConfig(family="boft", rank=2, options={"side": "output", "factors": 2}),
    "oft, input": LoraConfig(family="oft", rank=2),
    "boft, input": LoraConfig(family="boft", rank=2, options={"factors": 2}),
    "glora": LoraConfig(family="glora", rank=1),
}
SCALES = {"ia3": "ia3_l", "boft": "boft_s"}
everyone = pytest.mark.parametrize("family", CONFIGS)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("layer", LAYERS)
@everyone
def test_outputs_and_gradients_are_those_of_the_computed_weight(
    family: str, layer: str, layout: torch.memory_format
) -> None:
    torch.manual_seed(0)
    make, shape = LAYERS[layer]
    x = torch.randn(shape, dtype=torch.double)
    x = x.to(memory_format=layout) if x.ndim == 4 else x
    model = attach(nn.Sequential(make()).double(), CONFIGS[family])
    perturb(model)
    assert_same(model, x)


@everyone
def test_a_folded_batch_norm_is_in_the_scale(family: str) -> None:
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(12)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    model = nn.Sequential(nn.Conv2d(4, 12, 3), norm).double().eval()
    model = attach(model, CONFIGS[family])
    perturb(model)
    x = torch.randn(2, 4, 6, 5, dtype=torch.double)
    assert fold_batch_norm(model, x) == ["1"]
    assert_same(model, x)


@everyone
def test_the_gradient_of_the_whole_weight_is_not_computed(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = 1 if "input" in family else 3  # inputs are turned with the kernel flattened
    model = attach(nn.Sequential(nn.Conv2d(4, 12, kernel, padding=1)), CONFIGS[family])
    (layer,) = adapted_layers(model).values()
    shapes: list[torch.Size] = []
    gradient = whole_weight._weight_gradient

    def noted(*arguments: Any) -> Tensor:
        shapes.append(gradient(*arguments).shape)
        return gradient(*arguments)

    monkeypatch.setattr(whole_weight, "_weight_gradient", noted)
    fast, expected = both_ways(model, torch.randn(2, 4, 6, 5))
    assert shapes == [layer.base_weight.shape]  # once, by the whole weight
    for ours, other in zip(fast, expected, strict=True):
        torch.testing.assert_close(ours, other, rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        assert layer.scaled_low_rank() is None  # nothing is trained: the weight itself


@pytest.mark.parametrize("layer", LAYERS)
def test_a_gradient_that_is_one_number_for_all_outputs_is_summed_too(layer: str) -> None:
    torch.manual_seed(0)
    make, shape = LAYERS[layer]
    model = attach(nn.Sequential(make()).double(), LoraConfig(family="ia3"))
    perturb(model)
    x = torch.randn(shape[-2:] if layer == "linear" else shape, dtype=torch.double)
    found = []
    for way in (OUTPUTS, WHOLE):
        with implementation(way):
            found += torch.autograd.grad(model(x).sum(), list(adapter_parameters(model)))
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("family", ["ia3", "boft"])
def test_a_scale_of_zero_has_the_gradient_of_the_definition(family: str) -> None:
    torch.manual_seed(0)
    model = attach(nn.Sequential(nn.Conv2d(4, 12, 3)).double(), CONFIGS[family])
    perturb(model)
    with torch.no_grad():
        dict(only(adapted_layers(model)["0"]).named_parameters())[SCALES[family]][:, :5] = 0
    assert_same(model, torch.randn(2, 4, 6, 5, dtype=torch.double))


@everyone
def test_in_half_precision_the_gradients_are_close_to_those_in_double(family: str) -> None:
    torch.manual_seed(0)
    model = attach(nn.Sequential(nn.Conv2d(8, 12, 3, padding=1)), CONFIGS[family])
    perturb(model)
    x = torch.randn(4, 8, 9, 9)
    exact = both_ways(copy.deepcopy(model).double(), x.double())[1]
    with torch.autocast("cpu", torch.bfloat16):
        half = both_ways(model, x)[0]
    for ours, expected in zip(half, exact, strict=True):
        assert (ours.double() - expected).norm() < 0.1 * expected.norm()


def test_the_faster_computation_is_timed_once_recorded_and_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    model = attach(nn.Sequential(nn.Conv2d(32, 32, 3)), LoraConfig(family="ia3"))
    x = torch.randn(2, 32, 24, 24)
    with recorded() as decisions:
        model(x).sum().backward()
    (key,) = (key for key in decisions if key.startswith("adapted weight: "))
    assert set(decisions[key]["seconds"]) == {OUTPUTS, WHOLE}
    used: list[str] = []
    monkeypatch.setattr(kinds, "scaled_output", lambda *_, **__: used.append(OUTPUTS))
    monkeypatch.setattr(kinds, "computed_conv", lambda *_: used.append(WHOLE))
    for way in (OUTPUTS, WHOLE):
        with replay({key: {"implementation": way, "seconds": {}}}) as missing:
            model(x)
        assert not missing
    assert used == [OUTPUTS, WHOLE]


def test_a_single_image_without_a_batch_is_computed_too() -> None:
    model = attach(nn.Sequential(nn.Conv2d(4, 12, 3)).double(), LoraConfig(family="ia3"))
    perturb(model)
    x = torch.randn(4, 6, 5, dtype=torch.double)
    torch.testing.assert_close(model(x), model(x[None])[0])
