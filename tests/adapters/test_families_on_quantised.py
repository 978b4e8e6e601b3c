"""Every family on a quantised base: merged, scaled, saved and copied it is what it is on the dense one."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.adapters.networks import WEIGHT_FAMILIES, perturb
from visionlora.adapters import (
    LoraConfig,
    adapter_parameters,
    adapters_off,
    attach,
    detach,
    load_adapter,
    merge,
    merged,
    save_adapter,
    scale,
)
from visionlora.errors import VisionLoraError
from visionlora.frozen import nf4
from visionlora.frozen.freeze import freeze
from visionlora.frozen.packed import SCHEMES
from visionlora.frozen.quantised import dequantise, packed_weights, quantise

OLD = torch.__version__.startswith("2.6.")


def convolutions() -> tuple[nn.Module, Tensor]:
    """Dilated, transposed with groups, circular, depthwise; a batch norm; a linear layer."""
    network = nn.Sequential(
        nn.Conv2d(4, 6, 3, dilation=2),
        nn.BatchNorm2d(6),
        nn.ReLU(inplace=True),
        nn.ConvTranspose2d(6, 4, 3, stride=2, groups=2),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular", bias=False),
        nn.Conv2d(4, 8, 3, groups=4, padding="same"),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 5),
    )
    return network, torch.randn(2, 4, 9, 9).contiguous(memory_format=torch.channels_last)


def tokens() -> tuple[nn.Module, Tensor]:
    """An embedding and a layer normalization, which stay dense, between linear layers."""
    network = nn.Sequential(
        nn.Embedding(7, 6, padding_idx=0), nn.Linear(6, 6), nn.LayerNorm(6), nn.Linear(6, 3)
    )
    return network, torch.randint(0, 7, (2, 5))


def close(left: Tensor, right: Tensor) -> bool:
    return torch.allclose(left, right, rtol=1e-4, atol=1e-5 * float(right.abs().max()))


@torch.no_grad()
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("build", [convolutions, tokens])
@pytest.mark.parametrize("family", [one for one in WEIGHT_FAMILIES if one != "cross_group"])
def test_a_family_on_a_quantised_base_is_the_one_on_its_dense_weights(family, build, scheme, tmp_path: Path):
    torch.manual_seed(0)
    network, x = build()
    freeze(network.eval(), ())
    quantise(network, scheme)
    base, plain = copy.deepcopy(network), network(x)
    dense = copy.deepcopy(network)
    dequantise(dense)
    for one in (network, dense):
        attach(one, LoraConfig(family=family, rank=3), generator=torch.Generator().manual_seed(0))
        assert close(one(x), plain)
        torch.manual_seed(1)
        perturb(one, std=0.1)
    for strength in (1.0, 0.4):
        scale(network, strength)
        scale(dense, strength)
        adapted = network(x)
        assert not close(adapted, plain) and close(adapted, dense(x))
        with merged(network):
            assert close(network(x), adapted)
        assert torch.equal(network(x), adapted)
        with adapters_off(network):
            assert torch.equal(network(x), plain)
        for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
            assert torch.equal(other(x), adapted)
        save_adapter(network, tmp_path / str(strength))
        assert close(load_adapter(copy.deepcopy(base), tmp_path / str(strength))(x), adapted)
        assert close(merge(copy.deepcopy(network))(x), adapted)
    detach(network)
    assert torch.equal(network(x), plain)
    now = packed_weights(network)
    assert len(now) == (5 if build is convolutions else 2)
    for name, weight in packed_weights(base).items():
        assert all(torch.equal(now[name].parts[key], part) for key, part in weight.parts.items())


def small(scheme: str, family: str) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(4, 8, 3), nn.Flatten(), nn.Linear(32, 5)).eval()
    quantise(network, scheme)
    attach(network, LoraConfig(rank=2, family=family))
    perturb(network)
    return network, torch.randn(2, 4, 4, 4)


@pytest.mark.skipif(OLD, reason="PyTorch 2.6 cannot trace tensors of this class")
@pytest.mark.parametrize(
    ("scheme", "family"),
    [("nf4", "lora"), *(pytest.param("nf4", one, marks=pytest.mark.slow) for one in ("dora", "ia3"))],
)
def test_a_compiled_network_computes_the_same_with_its_gradients(scheme: str, family: str) -> None:
    network, x = small(scheme, family)
    nf4._TABLES.clear()  # what the compiler makes is of no use to others
    compiled = torch.compile(network, backend="aot_eager")
    parameters = list(adapter_parameters(network))
    found = torch.autograd.grad(compiled(x).square().sum(), parameters)
    expected = torch.autograd.grad(network(x).square().sum(), parameters)
    assert close(compiled(x), network(x))
    assert all(close(one, other) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    "program",
    [
        pytest.param(
            lambda network, x: torch.export.export(network, (x,)).module(),
            id="torch.export",
            marks=pytest.mark.skipif(OLD, reason="PyTorch 2.6 does not say that it exports"),
        ),
        pytest.param(torch.jit.trace, id="torch.jit.trace"),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_program_is_made_of_the_dequantised_network(program: Any, scheme: str) -> None:
    network, x = small(scheme, "lora")
    with pytest.raises(VisionLoraError, match=r"quantised\.dequantise on a copy of the network"):
        program(network, x)
    dense = copy.deepcopy(network)
    dequantise(dense)
    assert close(program(dense, x)(x), network(x))
