"""What PyTorch's own functions, and users by mistake, do to an adapted network."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm

from tests.adapters.networks import WEIGHT_FAMILIES, perturb, same_bits, small_network, snapshot
from visionlora.adapters import (
    LoraConfig,
    LoraError,
    adapter_parameters,
    attach,
    fold_batch_norm,
    load_adapter,
    merge,
    save_adapter,
    unfold_batch_norm,
)

FAMILIES = [*WEIGHT_FAMILIES, "bias", "norm"]
families = pytest.mark.parametrize("family", FAMILIES)


@pytest.fixture
def x() -> Tensor:
    return torch.randn(2, 3, 9, 9, generator=torch.Generator().manual_seed(0))


def configured(family: str) -> LoraConfig:
    return LoraConfig(family=family, rank=2, exclude=["3"] if family == "bias" else [])  # it has no bias


def adapted(family: str = "lora") -> nn.Module:
    torch.manual_seed(0)
    network = attach(small_network(), configured(family))
    perturb(network)
    return network


def takes_a_step(network: nn.Module, x: Tensor) -> bool:
    trained = [one for one in network.parameters() if one.requires_grad]
    before = [one.detach().clone() for one in trained]
    optimizer = torch.optim.SGD(trained, 0.1)
    network(x).square().sum().backward()
    optimizer.step()
    return any(not torch.equal(old, new) for old, new in zip(before, trained, strict=True))


@families
def test_what_is_attached_or_loaded_inside_inference_mode_can_be_trained(
    family: str, x: Tensor, tmp_path: Path
) -> None:
    network = small_network()
    with torch.inference_mode():
        attach(network, configured(family))
    assert takes_a_step(network, x)
    save_adapter(network, tmp_path)
    other = small_network()
    other.load_state_dict({key: one for key, one in network.state_dict().items() if "adapters" not in key})
    with torch.inference_mode():
        load_adapter(other, tmp_path)
    torch.testing.assert_close(other(x), network(x), rtol=0, atol=0)
    assert takes_a_step(other, x)
    with torch.inference_mode():
        merge(other)
    assert takes_a_step(other.requires_grad_(True), x)


def test_a_network_that_was_made_inside_inference_mode_is_refused() -> None:
    with torch.inference_mode():
        network = small_network()
    with pytest.raises(LoraError, match=r"0\.weight was made inside torch\.inference_mode"):
        attach(network)
    assert type(network[0]) is nn.Conv2d


def test_a_frozen_weight_that_is_trained_too_is_warned_of(x: Tensor) -> None:
    network = adapted()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network(x)
    network.requires_grad_(True)
    with pytest.warns(UserWarning, match="frozen weight under an adapter requires a gradient"):
        network(x)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("error")
        network(x)


def replica_of(network: nn.Module) -> nn.Module:
    """What `torch.nn.parallel.replicate` makes on another device."""
    modules = list(network.modules())
    copies: dict[nn.Module, Any] = {one: one._replicate_for_data_parallel() for one in modules}
    for module, replica in copies.items():
        replica._former_parameters = {}
        for name, child in module._modules.items():
            if child is not None:
                setattr(replica, name, copies[child])
        for name, tensor in (*module._parameters.items(), *module._buffers.items()):
            if tensor is not None:
                setattr(replica, name, tensor.clone())
            elif name in module._parameters:
                replica._parameters[name] = None
    return copies[network]


@families
def test_a_copy_of_data_parallel_computes_the_same_and_its_gradients_arrive(family: str, x: Tensor) -> None:
    network = adapted(family)
    replica = replica_of(network)
    torch.testing.assert_close(replica(x), network(x))
    replica(x).sum().backward()
    assert all(parameter.grad is not None for parameter in adapter_parameters(network))


def test_data_parallel_refuses_folded_batch_norms(x: Tensor) -> None:
    network = adapted()
    fold_batch_norm(network, x)
    with pytest.raises(LoraError, match=r"call unfold_batch_norm\(network\) first"):
        replica_of(network)
    unfold_batch_norm(network)
    torch.testing.assert_close(replica_of(network)(x), network(x))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(parametrizations.weight_norm, id="weight_norm"),
        pytest.param(parametrizations.spectral_norm, id="spectral_norm"),
        pytest.param(parametrizations.orthogonal, id="orthogonal"),
        pytest.param(spectral_norm, id="old spectral_norm"),
        pytest.param(
            weight_norm, id="old weight_norm", marks=pytest.mark.filterwarnings("ignore::FutureWarning")
        ),
        pytest.param(lambda layer: prune.l1_unstructured(layer, "weight", 0.5), id="pruned"),
        pytest.param(lambda layer: prune.l1_unstructured(layer, "bias", 0.5), id="pruned bias"),
    ],
)
def test_a_parametrization_of_an_adapted_layer_is_refused_and_changes_nothing(
    change: Callable[[nn.Module], object], x: Tensor
) -> None:
    network = adapted()
    before, expected = snapshot(network), network(x)
    with pytest.raises(LoraError, match="merge the adapters first"):
        change(network[7])
    assert same_bits(before, snapshot(network))
    torch.testing.assert_close(network(x), expected, rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_torch_script_takes_a_merged_network_and_refuses_an_adapted_one(x: Tensor) -> None:
    network = adapted()
    with pytest.raises(LoraError, match="merge the adapters first"):
        torch.jit.script(network)
    expected = network(x)
    scripted = torch.jit.script(merge(copy.deepcopy(network)))
    torch.testing.assert_close(scripted(x), expected, rtol=1e-5, atol=1e-5)
