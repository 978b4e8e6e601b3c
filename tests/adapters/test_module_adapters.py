"""Conv-Adapter and visual prompts: modules that are no change of a weight."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.adapters.networks import Attention, only, perturb, same_bits, small_network, snapshot
from visionlora.adapters import (
    LoraConfig,
    LoraError,
    activate,
    adapted_layers,
    adapter_parameters,
    adapters_off,
    attach,
    detach,
    fold_batch_norm,
    load_adapter,
    merge,
    merged,
    save_adapter,
    scaled,
)

CONVOLUTIONS = {
    "conv1d": (lambda: nn.Conv1d(4, 6, 3, padding=1), (2, 4, 9)),
    "conv2d": (lambda: nn.Conv2d(4, 6, 3, padding="same"), (2, 4, 7, 6)),
    "conv3d": (lambda: nn.Conv3d(2, 4, 3), (1, 2, 5, 5, 5)),
    "grouped": (lambda: nn.Conv2d(8, 6, 3, groups=2), (2, 8, 7, 6)),
    "depthwise": (lambda: nn.Conv2d(4, 4, 5, padding=2, groups=4), (2, 4, 9, 8)),
    "dilated": (lambda: nn.Conv2d(4, 6, 3, dilation=2), (2, 4, 9, 8)),
    "strided": (lambda: nn.Conv2d(4, 6, 3, stride=2, bias=False), (2, 4, 9, 8)),
    "reflected": (lambda: nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"), (2, 4, 9, 8)),
}
FAMILIES = ("conv_adapter", "visual_prompt", "bias")
ONLY_MODULES = FAMILIES[:2]


def config(family: str) -> LoraConfig:
    if family == "visual_prompt":
        return LoraConfig(family=family, targets="0", options={"size": 9, "width": 2})
    if family == "bias":
        return LoraConfig(family=family, targets=["0", "4", "7"])
    return LoraConfig(family=family, targets="conv", options={"reduction": 2})


def make(family: str) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    network = small_network()
    network[1].running_mean.normal_()
    network[1].running_var.uniform_(0.5, 2)
    return attach(network, config(family)), torch.randn(2, 3, 9, 9)


@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_conv_adapter_is_the_papers_bottleneck_on_every_convolution(kind: str) -> None:
    torch.manual_seed(0)
    build, shape = CONVOLUTIONS[kind]
    x, layer = torch.randn(shape, requires_grad=True), build().requires_grad_(False)
    frozen = layer(x)
    model = attach(nn.Sequential(layer), LoraConfig(family="conv_adapter", options={"reduction": 2}))
    torch.testing.assert_close(model(x), frozen)
    perturb(model)
    adapter: Any = only(adapted_layers(model)["0"])
    # One group at a time, with plain convolution layers.
    kinds = {3: nn.Conv1d, 4: nn.Conv2d, 5: nn.Conv3d}
    outputs = []
    for part, up in zip(x.chunk(layer.groups, 1), adapter.up.chunk(layer.groups), strict=True):
        hidden, geometry = len(adapter.down), (layer.stride, layer.padding, layer.dilation)
        down = kinds[x.ndim](
            part.shape[1], hidden, layer.kernel_size, *geometry, hidden, False, layer.padding_mode
        )
        down.weight = adapter.down
        middle = F.relu(down(part))
        outputs.append(torch.einsum("oh,nh...->no...", up.flatten(1), middle))
    expected, found = frozen + adapter.alpha * torch.cat(outputs, 1), model(x)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    g, leaves = torch.randn_like(found), [x, *adapter.parameters()]
    for ours, naive in zip(*(torch.autograd.grad(y, leaves, g) for y in (found, expected)), strict=True):
        torch.testing.assert_close(ours, naive, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(model(x[0]), expected[0], rtol=1e-4, atol=1e-5)


def test_a_prompt_is_a_frame_around_the_image() -> None:
    model, x = make("visual_prompt")
    perturb(model)
    adapter: Any = only(adapted_layers(model)["0"])
    added = adapter.change_input(torch.zeros(1, 3, 9, 9), None)[0]
    assert not added[:, 2:7, 2:7].any()
    assert int((added != 0).sum()) == 3 * (81 - 25) == adapter.frame.numel()
    with adapters_off(model):
        expected = model(x + added)
    torch.testing.assert_close(model(x), expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_it_starts_at_nothing_gets_gradients_and_leaves_the_base_alone(family: str) -> None:
    model, x = make(family)
    with adapters_off(model):
        frozen = model(x)
    torch.testing.assert_close(model(x), frozen)
    perturb(model)
    before = snapshot(model)
    model(x).square().sum().backward()
    assert all(parameter.grad is not None for parameter in adapter_parameters(model))
    assert same_bits(before, snapshot(model))
    assert not torch.allclose(model(x), frozen)
    with adapters_off(model):
        assert torch.equal(model(x), frozen)
    assert torch.equal(detach(model)(x), frozen)


def test_a_change_of_biases_merges_into_them_and_adds_up_with_lora() -> None:
    model, x = make("bias")
    perturb(model)
    adapter: Any = only(adapted_layers(model)["7"])
    before = model[7].base_bias.clone()
    attach(model, LoraConfig(rank=2), name="lora")
    perturb(model)
    activate(model, "default", "lora")
    with scaled(model, 0.5):
        expected = model(x)
        plain = merge(copy.deepcopy(model))
    torch.testing.assert_close(plain.eval()(x), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(plain[7].bias, before + 0.5 * adapter.difference)
    assert torch.equal(model[7].base_bias, before)
    assert {type(module) for module in plain.modules()} == {
        type(module) for module in small_network().modules()
    }


def test_low_rank_adapters_stay_low_rank_beside_a_module() -> None:
    model, _ = make("bias")
    attach(model, LoraConfig(rank=2), name="lora")
    activate(model, "default", "lora")
    for layer in adapted_layers(model).values():
        low_rank = layer.low_rank()
        assert low_rank is not None and low_rank.A.shape[0] == 2
    activate(model, "default")
    assert adapted_layers(model)["0"].low_rank() is None


@pytest.mark.parametrize("kind", [*CONVOLUTIONS, "linear"])
def test_a_change_of_a_bias_is_that_on_every_layer(kind: str) -> None:
    build, shape = CONVOLUTIONS.get(kind, (lambda: nn.Linear(5, 7), (2, 3, 5)))
    layer, x = build(), torch.randn(shape)
    if layer.bias is None:
        with pytest.raises(LoraError, match="without a bias"):
            attach(nn.Sequential(layer), LoraConfig(family="bias"))
        return
    model = attach(nn.Sequential(copy.deepcopy(layer)), LoraConfig(family="bias"))
    perturb(model)
    adapter: Any = only(adapted_layers(model)["0"])
    with torch.no_grad():
        layer.bias += adapter.difference.flatten()
    torch.testing.assert_close(model(x), layer(x))


@pytest.mark.parametrize("family", ONLY_MODULES)
def test_merge_refuses_it_in_a_sentence_and_merged_keeps_it(family: str) -> None:
    model, x = make(family)
    perturb(model)
    expected, names = model(x), list(model.state_dict())
    with merged(model), torch.no_grad():
        torch.testing.assert_close(model(x), expected)
        assert list(model.state_dict()) == names
    with pytest.raises(LoraError, match=f"{family} is a module of its own") as caught:
        merge(model)
    assert "\n" not in str(caught.value)
    torch.testing.assert_close(model(x), expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_strength_zero_is_the_frozen_network(family: str) -> None:
    model, x = make(family)
    perturb(model)
    with adapters_off(model):
        frozen = model(x)
    with scaled(model, 0.0):
        torch.testing.assert_close(model(x), frozen)


@pytest.mark.parametrize("family", FAMILIES)
def test_saved_copied_pickled_and_folded_it_computes_the_same(family: str, tmp_path) -> None:
    model, x = make(family)
    perturb(model)
    expected = model(x)
    directory = save_adapter(model, tmp_path / "adapter")
    plain, _ = make(family)
    torch.testing.assert_close(load_adapter(detach(plain), directory)(x), expected)
    torch.testing.assert_close(copy.deepcopy(model)(x), expected)
    torch.testing.assert_close(pickle.loads(pickle.dumps(model))(x), expected)
    assert fold_batch_norm(model, x) == ["1"]
    torch.testing.assert_close(model(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", ONLY_MODULES)
def test_it_combines_with_lora_on_one_network(family: str) -> None:
    model, x = make(family)
    perturb(model)
    attach(model, LoraConfig(rank=2), name="lora")
    perturb(model)
    activate(model, "default", "lora")
    expected = model(x)
    with merged(model), torch.no_grad():
        torch.testing.assert_close(model(x), expected, rtol=1e-4, atol=1e-5)
    activate(model, "lora")
    alone = model(x)
    assert not torch.allclose(alone, expected)
    torch.testing.assert_close(merge(model)(x), alone, rtol=1e-4, atol=1e-5)


def test_it_is_refused_where_it_cannot_stand() -> None:
    with pytest.raises(LoraError, match="not for a Linear"):
        attach(small_network(), LoraConfig(family="conv_adapter"))
    with pytest.raises(LoraError, match="does not fit"):
        LoraConfig(family="visual_prompt", options={"size": 9, "width": 5})
    model, _ = make("visual_prompt")
    with pytest.raises(ValueError, match="9x9, its input is"):
        model(torch.randn(1, 3, 8, 8))


class Standardised(nn.Conv2d):
    """A convolution with a forward pass of its own, as timm has several."""

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight / self.weight.flatten(1).std(1)[:, None, None, None]
        return F.conv2d(x, weight, self.bias, self.stride, self.padding)


READERS = {
    "attention": (Attention, (2, 5, 8)),
    "own forward pass": (lambda: nn.Sequential(Standardised(3, 4, 3)), (2, 3, 6, 6)),
}


@pytest.mark.parametrize("kind", READERS)
def test_a_change_of_a_bias_reaches_those_that_read_it(kind: str) -> None:
    torch.manual_seed(0)
    build, shape = READERS[kind]
    network, x = build().eval(), torch.randn(shape)
    frozen = network(x)
    attach(network, LoraConfig(rank=2, bias="lora_only"))
    torch.testing.assert_close(network(x), frozen)
    perturb(network)
    adapted = network(x)
    adapted.sum().backward()
    assert all(bool(parameter.grad.any()) for parameter in adapter_parameters(network))
    with merged(network):
        torch.testing.assert_close(network(x), adapted, rtol=1e-5, atol=1e-5)
    with adapters_off(network):
        torch.testing.assert_close(network(x), frozen)
    with scaled(network, 0.5):
        half = network(x)
        torch.testing.assert_close(merge(copy.deepcopy(network))(x), half, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(merge(network)(x), adapted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", ONLY_MODULES)
def test_a_convolution_with_a_forward_pass_of_its_own_would_leave_a_module_out(family: str) -> None:
    network = nn.Sequential(Standardised(3, 4, 3), nn.Conv2d(4, 4, 3))
    with pytest.raises(LoraError, match="not for a Standardised"):
        attach(network, LoraConfig(family=family, targets="0"))
    attach(network, LoraConfig(family=["lora", family], options={}))
    assert "lora" in {one.family for one in network[0].active_adapters()}
    assert family not in {one.family for one in network[0].active_adapters()}


def test_the_prompt_of_a_grouped_convolution_has_all_channels_of_the_image() -> None:
    model = nn.Sequential(nn.Conv2d(4, 6, 3, groups=2)).eval()
    x = torch.randn(2, 4, 8, 8)
    expected = model(x)
    attach(model, LoraConfig(family="visual_prompt", options={"size": 8, "width": 1}))
    torch.testing.assert_close(model(x), expected)
    (frame,) = adapter_parameters(model)
    assert frame.shape == (4, 28)
