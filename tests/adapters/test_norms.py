"""`train_norms`: weights and biases of normalization layers are trained beside the adapters."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.adapters.networks import perturb, same_bits, small_network, snapshot
from visionlora.adapters import (
    LoraConfig,
    LoraError,
    adapted_layers,
    adapters_off,
    attach,
    detach,
    fold_batch_norm,
    load_adapter,
    merge,
    merged,
    read_adapter_config,
    save_adapter,
    scaled,
)
from visionlora.adapters.network import named_adapters

NORMS = {
    "batch norm": lambda: nn.BatchNorm2d(8),
    "group norm": lambda: nn.GroupNorm(2, 8),
    "instance norm": lambda: nn.InstanceNorm2d(8, affine=True),
    "layer norm": lambda: nn.LayerNorm([8, 9, 9]),
}
kinds = pytest.mark.parametrize("kind", NORMS)


def network(kind: str) -> nn.Sequential:
    torch.manual_seed(0)
    model = small_network()
    model[1] = NORMS[kind]().eval()
    for tensor in model[1].state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_(0.5, 2)
    return model


def trained(kind: str, **fields) -> tuple[nn.Module, Tensor]:
    model = attach(network(kind), LoraConfig(rank=2, train_norms=True, **fields))
    return model, torch.randn(2, 3, 9, 9)


@kinds
def test_nothing_changes_at_the_start_and_both_tensors_learn(kind: str) -> None:
    model, x = trained(kind)
    torch.testing.assert_close(model(x), network(kind)(x))
    model(x).sum().backward()
    (adapter,) = named_adapters(model, "norm").values()
    assert all(bool(parameter.grad.any()) for parameter in adapter.parameters())


@kinds
def test_they_are_the_layers_weight_and_bias(kind: str) -> None:
    model, x = trained(kind, targets="linear")
    (adapter,) = named_adapters(model, "norm").values()
    with torch.no_grad():
        for parameter in adapter.parameters():
            parameter.normal_()
    plain = network(kind)
    plain[1].weight.data += adapter.weight_difference
    plain[1].bias.data += adapter.bias_difference
    torch.testing.assert_close(model(x), plain(x))
    with scaled(model, 0.5), merged(model):
        plain[1].weight.data -= 0.5 * adapter.weight_difference
        plain[1].bias.data -= 0.5 * adapter.bias_difference
        torch.testing.assert_close(model(x), plain(x))
    with adapters_off(model):
        torch.testing.assert_close(model(x), network(kind)(x))


@kinds
def test_they_are_merged_saved_loaded_copied_and_detached(kind: str, tmp_path: Path) -> None:
    model, x = trained(kind)
    perturb(model)
    expected = model(x)
    for travelled in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        torch.testing.assert_close(travelled(x), expected)
    directory = save_adapter(model, tmp_path / "adapter")
    assert "not_for_peft" in read_adapter_config(directory)["visionlora"]
    torch.testing.assert_close(load_adapter(network(kind), directory)(x), expected)
    plain = merge(copy.deepcopy(model))
    assert not adapted_layers(plain) and type(plain[1]) is type(network(kind)[1])
    torch.testing.assert_close(plain(x), expected, rtol=1e-4, atol=1e-5)
    assert same_bits(snapshot(detach(model)), snapshot(network(kind)))
    assert type(model[1]) is type(network(kind)[1])


def test_a_batch_norm_that_is_trained_is_not_folded_and_its_statistics_stay() -> None:
    model, x = trained("batch norm")
    perturb(model)
    before, expected = snapshot(model), model(x)
    assert fold_batch_norm(model, x) == []
    model.train()
    torch.testing.assert_close(model(x), expected)
    assert same_bits(before, snapshot(model))


def test_a_single_batch_in_half_precision_is_computed() -> None:
    model, x = trained("batch norm")
    perturb(model)
    with torch.autocast("cpu", torch.bfloat16):
        half = model(x)
    assert (half.float() - model(x)).norm() < 0.05 * model(x).norm()


def test_norms_are_a_family_of_their_own_too() -> None:
    model = attach(small_network(), LoraConfig(family="norm"))
    assert list(named_adapters(model)) == ["1"]
    both = attach(small_network(), LoraConfig(family=["lora", "norm"], rank=2))
    assert list(named_adapters(both, "norm")) == ["1"]
    plain = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.Conv2d(4, 2, 1, bias=False))
    for given, said in (
        ({"family": "norm"}, "family norm is left without a layer: the network has no"),
        ({"train_norms": True}, "train_norms=true: the network has no"),
        ({"bias": "all"}, "bias=all: no layer with a bias is left to train"),
        ({"bias": "lora_only"}, "bias=lora_only: no adapted layer with a bias"),
    ):
        with pytest.raises(LoraError, match=said):
            attach(copy.deepcopy(plain), LoraConfig(**given))


def test_a_layer_without_weight_and_bias_is_left_out() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8, affine=False), nn.BatchNorm2d(8)).eval()
    attach(model, LoraConfig(train_norms=True, rank=2))
    assert list(named_adapters(model, "norm")) == ["2"]
