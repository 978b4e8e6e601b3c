from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.adapters.networks import only
from visionlora.adapters import LoraConfig, adapted_layers, adapters_off, attach
from visionlora.frozen.split import split
from visionlora.retention import drift as drift_module
from visionlora.retention.drift import Drift


def adapted(network: nn.Module, targets: str = "all") -> nn.Module:
    torch.manual_seed(1)
    attach(network.eval(), LoraConfig(rank=2, alpha=3, targets=[targets]))
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("lora_B"):
                parameter.normal_(0, 0.1)
    return network


def measured(layer: nn.Module, x: Tensor) -> float:
    """The update's share of the output's energy on every patch of x, from two passes."""
    bias, layer.bias = layer.bias, None
    with torch.no_grad():
        now = layer(x)
        with adapters_off(layer):
            frozen = layer(x)
    layer.bias = bias
    return float((now - frozen).square().sum() / frozen.square().sum())


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("mode", ["zeros", "reflect"])
def test_a_convolution_that_pads_in_its_own_manner_counts_too(padding: str, mode: str) -> None:
    torch.manual_seed(0)
    layer = adapted(nn.Conv2d(3, 5, (3, 2), padding=padding, padding_mode=mode))
    x = torch.randn(2, 3, 7, 7)
    assert float(Drift(layer, [[x]])().detach()) == pytest.approx(measured(layer, x), rel=1e-3)


@settings(deadline=None)
@given(
    kernel=st.integers(1, 3),
    stride=st.integers(1, 2),
    padding=st.integers(0, 1),
    dilation=st.integers(1, 2),
    bias=st.booleans(),
)
def test_drift_is_the_updates_share_of_the_outputs_energy(
    kernel: int, stride: int, padding: int, dilation: int, bias: bool
) -> None:
    torch.manual_seed(0)
    layer = adapted(nn.Conv2d(3, 5, kernel, stride, padding, dilation, bias=bias))
    x = torch.randn(2, 3, 6, 6)
    torch.testing.assert_close(float(Drift(layer, [[x]])()), measured(layer, x), rtol=1e-4, atol=1e-7)


def test_drift_of_a_linear_layer_is_its_share_of_the_outputs_energy() -> None:
    torch.manual_seed(0)
    layer, x = adapted(nn.Linear(6, 4)), torch.randn(9, 6)
    torch.testing.assert_close(float(Drift(layer, [[x]])()), measured(layer, x), rtol=1e-4, atol=1e-7)


def test_a_wide_layer_keeps_a_sample_of_patches_instead_of_its_gram_matrix(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    network, x = adapted(nn.Sequential(nn.Conv2d(3, 5, 3), nn.Conv2d(5, 4, 3))), torch.randn(2, 3, 9, 9)
    whole = Drift(network, [[x]])
    monkeypatch.setattr(drift_module, "LARGEST", 60)  # the second layer has fewer than 60 patches
    narrow = Drift(network, [[x]])
    assert narrow.moments["1"].gram is not None
    monkeypatch.setattr(drift_module, "LARGEST", 30)
    wide = Drift(network, [[x]])
    assert wide.moments["0"].gram is not None and wide.moments["1"].rows is not None
    assert 0.3 < float(wide() / whole()) < 3
    torch.testing.assert_close(narrow(), whole())


def test_an_update_outside_the_span_of_the_inputs_costs_nothing() -> None:
    layer = adapted(nn.Linear(6, 4))
    x = torch.randn(20, 6)
    x[:, :3] = 0
    drift = Drift(layer, [[x]])
    with torch.no_grad():
        only(layer).lora_A[:, 3:] = 0
    assert float(drift()) == 0
    assert float(layer.update().abs().max()) > 0


def test_drift_is_zero_before_the_first_step_and_has_gradients_after() -> None:
    network = nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.ReLU(), nn.Conv2d(4, 2, 1)).eval()
    attach(network, LoraConfig(rank=2))
    drift = Drift(network, [[torch.randn(3, 4, 8, 8)]])
    assert float(drift()) == 0
    with torch.no_grad():
        for layer in adapted_layers(network).values():
            only(layer).lora_B.normal_()
    drift().backward()
    for layer in adapted_layers(network).values():
        assert only(layer).lora_A.grad is not None and only(layer).lora_A.grad.abs().sum() > 0
        assert only(layer).lora_B.grad is not None and only(layer).lora_B.grad.abs().sum() > 0


def test_drift_is_the_same_with_cached_features() -> None:
    torch.manual_seed(0)
    network = adapted(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 36, 5)), "last:1")
    parts, x = split(network), torch.randn(6, 3, 8, 8)
    assert parts is not None
    with torch.no_grad():
        values = list(parts.prefix(x))
    assert len(values) == 2, "the linear layer's frozen part is known"
    torch.testing.assert_close(Drift(parts.suffix, [values])(), Drift(network, [[x]])())


def live_bytes() -> int:
    """Of all tensors that Python holds, each storage once."""
    tensors = [o for o in gc.get_objects() if type(o) in (Tensor, nn.Parameter)]
    return sum({t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}.values())


@pytest.mark.parametrize("largest", [10_000, 100])
def test_memory_does_not_grow_with_the_number_of_batches(
    monkeypatch: pytest.MonkeyPatch, largest: int
) -> None:
    monkeypatch.setattr(drift_module, "LARGEST", largest)
    torch.manual_seed(0)
    network = adapted(nn.Sequential(nn.Conv2d(3, 64, 3), nn.Conv2d(64, 4, 3)))
    held: list[int] = []

    def batches(count: int) -> Iterator[list[Tensor]]:
        for number in range(1, count + 1):
            yield [torch.randn(4, 3, 12, 12)]
            if number % 8 == 0:  # going through every object takes a while
                held.append(live_bytes())

    before = live_bytes()
    Drift(network, batches(24))
    one_batch = 4 * 64 * 576 * 4  # images, patches of each, inputs of a patch, bytes
    bound = min(largest, 576) * 576 * 4 + 3 * one_batch
    assert max(held) - before < bound < 24 * one_batch


def test_a_wide_layers_sample_is_drawn_from_all_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift_module, "LARGEST", 4)
    drift = Drift(adapted(nn.Linear(8, 2)), ([torch.full((10, 8), float(k))] for k in range(60)))
    rows = drift.moments[""].rows
    assert rows is not None and rows.shape == (4, 8)
    assert (rows * 2).unique().numel() > 1, "rows of several batches, scaled by 1 / sqrt(4)"
