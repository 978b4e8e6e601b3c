"""Adapted networks go through PyTorch's compilers and transforms as they are."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from visionlora.adapters import LoraConfig, adapter_parameters, attach, merged


@pytest.fixture
def adapted(network: nn.Module) -> nn.Module:
    attach(network, LoraConfig(rank=2)).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in adapter_parameters(network):
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
    return network


IMAGES = torch.randn(2, 3, 24, 24, generator=torch.Generator().manual_seed(0))


def exported(network: nn.Module) -> Callable[[Tensor], Tensor]:
    return torch.export.export(network, (IMAGES,)).module()


def traced(network: nn.Module) -> Callable[[Tensor], Tensor]:
    return torch.fx.symbolic_trace(network)


def jit_traced(network: nn.Module) -> Callable[[Tensor], Tensor]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # programs still use it
        return torch.jit.trace(network, IMAGES)


@pytest.mark.parametrize("through", [exported, traced, jit_traced])
@pytest.mark.parametrize("merge", [False, True])
def test_export_and_fx_compute_the_same(
    adapted: nn.Module, through: Callable[[nn.Module], Callable[[Tensor], Tensor]], merge: bool
) -> None:
    expected = adapted(IMAGES)
    if merge:
        with merged(adapted):
            other = through(adapted)
    else:
        other = through(adapted)
    torch.testing.assert_close(other(IMAGES), expected)


@pytest.mark.parametrize("family", ["dora", "loha", "oft", "conv_adapter"])
def test_jit_trace_records_families_that_are_no_low_rank_update(network: nn.Module, family: str) -> None:
    attach(network, LoraConfig(rank=2, family=family, targets="conv"))
    torch.testing.assert_close(jit_traced(network)(IMAGES), network(IMAGES))


@pytest.mark.skipif(
    torch.__version__.startswith("2.6."), reason="PyTorch 2.6 cannot trace named tuples of modules' tensors"
)
def test_a_compiled_network_is_one_graph_and_is_compiled_once(adapted: nn.Module) -> None:
    torch.compiler.reset()
    expected = adapted(IMAGES)
    compiled = torch.compile(adapted, backend="eager", fullgraph=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Of Python 3.13.0 alone: PyTorch advises 3.13.1.
        warnings.filterwarnings("ignore", "Guards may run slower")
        with torch._dynamo.config.patch(error_on_recompile=True):
            for _ in range(3):
                torch.testing.assert_close(compiled(IMAGES), expected)
                compiled(IMAGES).square().mean().backward()
    assert all(parameter.grad is not None for parameter in adapter_parameters(adapted))


def test_torch_func_differentiates_the_adapters(adapted: nn.Module) -> None:
    trained = {name: one.detach() for name, one in adapted.named_parameters() if one.requires_grad}

    def loss(parameters: dict[str, Tensor]) -> Tensor:
        return torch.func.functional_call(adapted, parameters, (IMAGES,)).square().mean()

    adapted(IMAGES).square().mean().backward()
    for name, gradient in torch.func.grad(loss)(trained).items():
        torch.testing.assert_close(gradient, adapted.get_parameter(name).grad, rtol=1e-4, atol=1e-6)
