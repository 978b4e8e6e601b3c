"""Starts of A and B against PEFT's own, on linear layers, up to the signs of singular vectors.

PEFT's LoftQ needs bitsandbytes and a GPU; LoRA-Null and the contrastive start it has not.
"""

from __future__ import annotations

from typing import Any

import peft
import pytest
import torch
from peft.tuners.lora.corda import preprocess_corda
from peft.tuners.lora.loraga import preprocess_loraga
from torch import Tensor, nn

from visionlora.adapters import AdapterSettings
from visionlora.adapters.init import INITS
from visionlora.adapters.init.from_data import corda, eva, lora_ga

RANK, ALPHA = 3, 6.0
SETTINGS = AdapterSettings(rank=RANK, alpha=ALPHA)


@pytest.fixture
def layer() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(10, 9, bias=False))


def rows(count: int = 200) -> Tensor:
    """Inputs whose directions differ in size."""
    scales = torch.linspace(0.5, 5, 10)
    return torch.randn(count, 10, generator=torch.Generator().manual_seed(1)) * scales + scales / 3


def adapted(layer: nn.Sequential, config: Any) -> tuple[Any, Tensor, Tensor]:
    """PEFT's layer, its A (r, in) and its B (out, r)."""
    model = peft.get_peft_model(layer, config)
    theirs: Any = model.base_model.model[0]
    return model, *(part["default"].weight.detach() for part in (theirs.lora_A, theirs.lora_B))


def config(init: str, **more: Any) -> Any:
    return peft.LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=["0"], init_lora_weights=init, **more)  # type: ignore[arg-type]


def assert_parallel(ours: Tensor, theirs: Tensor, ratio: float | None = None) -> None:
    """Row by row the same directions; with a ratio also ours that many times as long."""
    cosines = nn.functional.cosine_similarity(ours, theirs).abs()
    torch.testing.assert_close(cosines, torch.ones_like(cosines), rtol=0, atol=1e-4)
    if ratio is not None:
        torch.testing.assert_close(ours.norm(dim=1), ratio * theirs.norm(dim=1), rtol=1e-3, atol=0)


def test_pissa_starts_where_pefts_does_and_leaves_the_base(layer: nn.Sequential) -> None:
    weight = layer[0].weight.detach().clone()
    A, B = INITS["pissa"](weight, SETTINGS, torch.Generator())
    model, their_A, their_B = adapted(layer, config("pissa"))
    assert_parallel(A, their_A, ratio=1)
    torch.testing.assert_close(B @ A, their_B @ their_A)
    # PEFT has the rest in the place of the base; together they are the base that is kept here.
    rest = model.base_model.model[0].base_layer.weight
    torch.testing.assert_close(rest + ALPHA / RANK * B @ A, weight)


def test_eva_starts_at_pefts_directions_of_inputs_around_zero(layer: nn.Sequential) -> None:
    inputs = rows() - rows().mean(dim=0)  # PEFT subtracts the mean
    start = eva(layer[0].weight.detach(), SETTINGS, inputs)
    model, *_ = adapted(layer, config("eva", eva_config=peft.EvaConfig(rho=1.0)))
    peft.initialize_lora_eva_weights(
        model,
        dataloader=[inputs] * 3,
        forward_fn=lambda network, x: network(x),
        prepare_model_inputs_fn=None,
        prepare_layer_inputs_fn=None,
        show_progress_bar=False,
    )
    theirs = model.base_model.model[0]
    assert start.B is None and not theirs.lora_B["default"].weight.any()
    assert_parallel(start.A, theirs.lora_A["default"].weight.detach(), ratio=1)


def test_lora_ga_starts_at_pefts_directions_with_the_papers_lengths(layer: nn.Sequential) -> None:
    x, base = rows(), layer[0].weight.detach().clone()

    def loss(network: nn.Module) -> Tensor:
        return (network(x) ** 3).mean()

    (gradient,) = torch.autograd.grad(loss(layer), layer[0].weight)
    A, B = lora_ga(base, SETTINGS, gradient)
    chosen = config("lora_ga", lora_ga_config=peft.LoraGAConfig(direction="ArB2r", scale="stable"))
    preprocess_loraga(layer, chosen, lambda: loss(layer).backward())
    _, their_A, their_B = adapted(layer, chosen)
    factor = 9**0.25 / 4
    assert_parallel(A, their_A, ratio=factor)
    assert_parallel(B.t(), their_B.t())
    # PEFT multiplies each column of B by the gradient's singular value as well.
    singular = torch.linalg.svdvals(gradient)[RANK : 2 * RANK]
    torch.testing.assert_close(their_B.norm(dim=0), factor * singular, rtol=1e-3, atol=0)
    torch.testing.assert_close(B.norm(dim=0), torch.full((RANK,), factor))


@pytest.mark.parametrize(("mode", "method"), [("keep", "kpm"), ("learn", "ipm")])
def test_corda_starts_at_pefts_product(layer: nn.Sequential, mode: Any, method: Any) -> None:
    x, weight = rows(), layer[0].weight.detach().clone()
    # PEFT always adds a hundredth of the covariance's mean diagonal. Rows that do the same to ours:
    damping = (0.01 * x.square().mean() * len(x)).sqrt() * torch.eye(10)
    damped = torch.cat([x, damping]) * ((len(x) + 10) / len(x)) ** 0.5
    A, B = corda(weight, SETTINGS, damped, mode=mode)
    chosen = config("corda", corda_config=peft.tuners.lora.config.CordaConfig(corda_method=method))
    preprocess_corda(layer, chosen, run_model=lambda: layer(x))
    _, their_A, their_B = adapted(layer, chosen)
    assert_parallel(A, their_A)
    assert_parallel(B.t(), their_B.t())
    torch.testing.assert_close(B @ A, their_B @ their_A, rtol=1e-3, atol=1e-4)
