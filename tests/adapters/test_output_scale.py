"""Families that scale the outputs of a low-rank change: outputs and gradients are those of the definition."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tests.adapters.networks import perturb
from visionlora.adapters import LoraConfig, adapted_layers, adapter_parameters, attach, fold_batch_norm
from visionlora.adapters.layers import AdaptedLayer

LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "linear": (lambda: nn.Linear(12, 10), (3, 4, 12)),
    "conv1d": (lambda: nn.Conv1d(4, 10, 3, bias=False), (2, 4, 9)),
    "conv2d": (lambda: nn.Conv2d(4, 10, 3, padding=1), (2, 4, 6, 5)),
    "pointwise": (lambda: nn.Conv2d(4, 10, 1), (2, 4, 6, 5)),
    "strided": (lambda: nn.Conv2d(4, 10, 3, stride=2, dilation=2), (2, 4, 9, 8)),
    "grouped": (lambda: nn.Conv2d(4, 10, 3, groups=2), (2, 4, 6, 5)),
    "depthwise": (lambda: nn.Conv2d(4, 4, 3, groups=4, bias=False), (2, 4, 6, 5)),
    "conv3d": (lambda: nn.Conv3d(2, 10, 2), (2, 2, 4, 4, 4)),
    "without a batch": (lambda: nn.Conv2d(4, 10, 3), (4, 6, 5)),
}


def outputs_and_gradients(model: nn.Module, x: Tensor) -> list[Tensor]:
    x = x.clone().requires_grad_()
    y = torch.relu_(model(x))  # in place, as networks do it
    gradients = torch.autograd.grad((y * y.detach().cos()).sum(), [x, *adapter_parameters(model)])
    return [y.detach(), *gradients]


def by_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AdaptedLayer, "scaled_low_rank", lambda layer: None)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("family", ["dora", "ia3"])
def test_outputs_and_gradients_are_those_of_the_computed_weight(
    family: str, layer: str, layout: torch.memory_format, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    make, shape = LAYERS[layer]
    x = torch.randn(shape, dtype=torch.double)
    x = x.to(memory_format=layout) if x.ndim == 4 else x
    model = attach(nn.Sequential(make()).double(), LoraConfig(family=family, rank=2))
    perturb(model)
    fast = outputs_and_gradients(model, x)
    by_definition(monkeypatch)
    for ours, expected in zip(fast, outputs_and_gradients(model, x), strict=True):
        torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize("family", ["dora", "ia3"])
def test_a_folded_batch_norm_is_in_the_scale(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(10)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    model = nn.Sequential(nn.Conv2d(4, 10, 3), norm).double().eval()
    model = attach(model, LoraConfig(family=family, rank=2))
    perturb(model)
    x = torch.randn(2, 4, 6, 5, dtype=torch.double)
    fold_batch_norm(model, x)
    fast = outputs_and_gradients(model, x)
    by_definition(monkeypatch)
    for ours, expected in zip(fast, outputs_and_gradients(model, x), strict=True):
        torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize("family", ["dora", "ia3"])
def test_the_gradient_of_the_whole_weight_is_not_computed(family: str) -> None:
    model = attach(nn.Sequential(nn.Conv2d(4, 10, 3)), LoraConfig(family=family, rank=2))
    (layer,) = adapted_layers(model).values()
    x = torch.randn(2, 4, 6, 5, requires_grad=True)
    assert layer.scaled_low_rank() is not None
    graph, seen = [model(x).grad_fn], []
    while graph:
        node = graph.pop()
        seen.append(node.name())
        graph += [parent for parent, _ in node.next_functions if parent is not None]
    assert "_WithBiasBackward" in seen
    with torch.no_grad():
        assert layer.scaled_low_rank() is None  # nothing is trained: the weight itself


@pytest.mark.parametrize("layer", LAYERS)
def test_a_gradient_that_is_one_number_for_all_outputs_is_summed_too(
    layer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    make, shape = LAYERS[layer]
    model = attach(nn.Sequential(make()).double(), LoraConfig(family="ia3"))
    perturb(model)
    x = torch.randn(shape[-2:] if layer == "linear" else shape, dtype=torch.double)
    (fast,) = torch.autograd.grad(model(x).sum(), list(adapter_parameters(model)))
    by_definition(monkeypatch)
    (expected,) = torch.autograd.grad(model(x).sum(), list(adapter_parameters(model)))
    torch.testing.assert_close(fast, expected)


def test_a_scale_of_zero_has_the_gradient_of_the_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    model = attach(nn.Sequential(nn.Conv2d(4, 10, 3)).double(), LoraConfig(family="ia3"))
    with torch.no_grad():
        for parameter in adapter_parameters(model):
            parameter[:, :5] = 0
    x = torch.randn(2, 4, 6, 5, dtype=torch.double, requires_grad=True)
    (fast,) = torch.autograd.grad(model(x).sum(), list(adapter_parameters(model)))
    by_definition(monkeypatch)
    (expected,) = torch.autograd.grad(model(x).sum(), list(adapter_parameters(model)))
    torch.testing.assert_close(fast, expected)
