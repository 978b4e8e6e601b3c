"""How A and B start: without data by name, with data by function."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.adapters.networks import only, perturb, same_bits, small_network, snapshot
from visionlora.adapters import (
    AdapterSettings,
    LoraConfig,
    LoraError,
    adapted_layers,
    adapter_parameters,
    adapters_off,
    attach,
    load_adapter,
    save_adapter,
)
from visionlora.adapters.collect import input_rows, layer_inputs, set_starts, weight_gradients
from visionlora.adapters.init import INITS
from visionlora.adapters.init.contrastive import aligned, contrastive
from visionlora.adapters.init.from_data import (
    TooFewDirections,
    corda,
    eva,
    lora_ga,
    lora_null,
    redistribute_ranks,
)
from visionlora.adapters.init.start import Start
from visionlora.adapters.patterns import exactly

X = torch.randn(4, 3, 9, 9, generator=torch.Generator().manual_seed(1))
LABELS = torch.tensor([0, 1, 2, 3])


def product(start: Start, settings: AdapterSettings) -> Tensor:
    assert start.B is not None
    return settings.alpha / settings.rank * start.B.flatten(1) @ start.A.flatten(1)


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("family", ["lora", "dora", "dylora"])
def test_a_network_starts_where_the_frozen_one_is_and_keeps_its_base(init: str, family: str) -> None:
    torch.manual_seed(0)
    network = small_network()
    before, frozen = snapshot(network), network(X)
    attach(network, LoraConfig(family=family, init=init, rank=3))
    torch.testing.assert_close(network(X), frozen, rtol=1e-4, atol=1e-5)
    assert same_bits(before, snapshot(network))
    network(X).square().sum().backward()
    assert all(parameter.grad is not None for parameter in adapter_parameters(network))


def test_pissa_starts_at_the_best_approximation_of_the_weight() -> None:
    settings = AdapterSettings(rank=2, alpha=6)
    weight = torch.randn(6, 3, 2, 2, dtype=torch.float64)
    found = product(INITS["pissa"](weight, settings, torch.Generator()), settings)
    U, S, Vh = torch.linalg.svd(weight.flatten(1), full_matrices=False)
    torch.testing.assert_close(found, U[:, :2] @ torch.diag(S[:2]) @ Vh[:2])


def test_pissa_of_a_rank_beyond_the_weights_takes_what_there_is() -> None:
    settings, weight = AdapterSettings(rank=8, alpha=8), torch.randn(3, 2, 1, dtype=torch.float64)
    start = INITS["pissa"](weight, settings, torch.Generator())
    torch.testing.assert_close(product(start, settings), weight.flatten(1))


@pytest.mark.parametrize("known", [True, False])
def test_an_aligned_start_lowers_another_loss_most_for_what_it_moves_of_known_outputs(known: bool) -> None:
    draw = torch.Generator().manual_seed(3)
    weight, G, H = (torch.randn(4, 6, dtype=torch.float64, generator=draw) for _ in range(3))
    others = torch.randn(50, 6, dtype=torch.float64, generator=draw) * torch.arange(1, 7) if known else None
    agreement = (G.t() @ H + H.t() @ G) / 2
    cost = None if others is None else others.t() @ others / 50
    start = aligned(weight, AdapterSettings(rank=2), agreement, cost)
    assert start.B is None
    torch.testing.assert_close(start.A.norm(dim=1), torch.ones(2, dtype=torch.float64))
    moved = torch.eye(6, dtype=torch.float64)
    if cost is not None:
        moved = cost + 0.03 * cost.diagonal().mean() * moved

    def gain(rows: Tensor) -> Tensor:
        return torch.einsum("ij,jk,ik->i", rows, agreement, rows) / torch.einsum(
            "ij,jk,ik->i", rows, moved, rows
        )

    assert gain(start.A)[0] < gain(start.A)[1]
    assert gain(torch.randn(1000, 6, dtype=torch.float64, generator=draw)).max() < gain(start.A)[1]
    # Along the first of them the loss of the other image, tr(H W'), falls by what the docstring says.
    A = start.A[1:]
    fall = (H * (G @ A.t() @ A)).sum()
    torch.testing.assert_close(fall, gain(A)[0] * (A @ moved @ A.t())[0, 0])
    turned = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64, generator=draw)).Q
    seen = None if cost is None else turned.t() @ cost @ turned
    again = aligned(weight, AdapterSettings(rank=2), turned.t() @ agreement @ turned, seen, basis=turned)
    torch.testing.assert_close(again.A.t() @ again.A, start.A.t() @ start.A)
    with pytest.raises(TooFewDirections, match="6 columns are too few for rank 7"):
        aligned(weight, AdapterSettings(rank=7), agreement, cost)


@pytest.mark.parametrize("known", [True, False])
def test_a_start_from_images_is_computed_on_their_device(known: bool) -> None:
    base, inputs, others = (torch.randn(rows, 6, device="meta") for rows in (4, 50, 50))
    settings, agreement = AdapterSettings(rank=2), torch.randn(6, 6, device="meta")
    assert aligned(base, settings, agreement, agreement if known else None).A.device == base.device
    assert contrastive(base, settings, inputs, others).A.device == base.device


@pytest.mark.parametrize("rank", [3, 40])
def test_an_orthogonal_start_has_orthogonal_rows_or_columns(rank: int) -> None:
    weight = torch.randn(4, 3, 3, dtype=torch.float64)
    A = INITS["orthogonal"](weight, AdapterSettings(rank=rank), torch.Generator()).A.flatten(1)
    gram = A @ A.t() if rank == 3 else A.t() @ A
    torch.testing.assert_close(gram, torch.eye(len(gram), dtype=torch.float64))


def test_a_saved_pissa_is_plain_lora_of_twice_the_rank(tmp_path) -> None:
    torch.manual_seed(0)
    network = attach(small_network(), LoraConfig(init="pissa", rank=2, alpha=6, rslora=True))
    perturb(network)
    expected = network(X)
    save_adapter(network, tmp_path)
    torch.manual_seed(0)
    loaded = load_adapter(small_network(), tmp_path)
    adapter: Any = only(adapted_layers(loaded)["0"])
    assert (adapter.settings.rank, adapter.start_A) == (4, None)
    torch.testing.assert_close(loaded(X), expected)


def test_a_start_travels_in_the_state_of_the_network() -> None:
    torch.manual_seed(0)
    network = attach(small_network(), LoraConfig(init="pissa", rank=2))
    perturb(network)
    other = attach(small_network(), LoraConfig(init="pissa", rank=2))
    other.load_state_dict(network.state_dict())
    torch.testing.assert_close(other(X), network(X))


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"init": "svd"}, "give auto, default, gaussian, orthogonal"),
        ({"init": "pissa", "family": "loha"}, "loha lacks"),
    ],
)
def test_a_wrong_start_is_refused(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(LoraError, match=complaint):
        LoraConfig(**fields)


CONVOLUTIONS = {
    "linear": (nn.Linear(5, 3), torch.randn(2, 4, 5)),
    "conv1d": (nn.Conv1d(4, 6, 3, stride=2, padding=1), torch.randn(2, 4, 9)),
    "conv2d": (nn.Conv2d(4, 6, (3, 2), dilation=(2, 1), padding="same"), torch.randn(2, 4, 7, 6)),
    "conv3d": (nn.Conv3d(2, 4, 2, stride=(1, 2, 1)), torch.randn(2, 2, 4, 4, 4)),
    "grouped": (nn.Conv2d(4, 6, 3, groups=2), torch.randn(2, 4, 7, 6)),
    "reflected": (nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"), torch.randn(2, 4, 7, 6)),
}


@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_a_layers_rows_times_its_weight_are_its_output(kind: str) -> None:
    layer, x = CONVOLUTIONS[kind]
    rows, weight = input_rows(layer, x), layer.weight.flatten(1)
    expected = F.linear(x, layer.weight) if kind == "linear" else layer._conv_forward(x, layer.weight, None)
    channels = (
        expected.reshape(-1, 3) if kind == "linear" else expected.movedim(1, -1).reshape(-1, len(weight))
    )
    groups = getattr(layer, "groups", 1)
    parts = rows.view(len(channels), groups, -1).unbind(1)
    found = [part @ w.t() for part, w in zip(parts, weight.chunk(groups), strict=True)]
    torch.testing.assert_close(torch.cat(found, dim=1), channels, rtol=1e-4, atol=1e-5)


def test_eva_starts_at_the_inputs_leading_directions() -> None:
    directions = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64)).Q
    inputs = torch.randn(50, 6, dtype=torch.float64) * torch.tensor([9, 5, 1, 0.1, 0.1, 0.1]) @ directions
    start = eva(torch.zeros(4, 6, dtype=torch.float64), AdapterSettings(rank=2), inputs)
    assert start.B is None
    projected = inputs @ start.A.t() @ start.A
    values = torch.linalg.svdvals(inputs).square()
    assert projected.square().sum().item() == pytest.approx(values[:2].sum().item())


def test_eva_refuses_too_few_inputs() -> None:
    with pytest.raises(TooFewDirections, match="too few for rank 4"):
        eva(torch.zeros(4, 6), AdapterSettings(rank=4), torch.randn(3, 6))
    with pytest.raises(ValueError, match="rows of 6 numbers"):
        eva(torch.zeros(4, 6), AdapterSettings(rank=4), torch.randn(8, 5))


def test_ranks_go_where_the_variance_of_the_inputs_is() -> None:
    torch.manual_seed(0)
    flat, steep = torch.randn(200, 16), torch.randn(200, 16) * torch.logspace(0, -4, 16)
    ranks = redistribute_ranks({"flat": flat, "steep": steep}, 4)
    assert sum(ranks.values()) <= 8 and ranks["steep"] >= 1 and max(ranks.values()) <= 8
    assert redistribute_ranks({"a": flat, "b": flat}, 3) == {"a": 3, "b": 3}
    assert redistribute_ranks({"a": flat, "b": steep}, 1) == {"a": 1, "b": 1}


def test_eva_on_a_network() -> None:
    torch.manual_seed(0)
    network = small_network()
    frozen = network(X)
    inputs = layer_inputs(network, lambda: network(X), rows=64)
    assert {name: rows.shape[1] for name, rows in inputs.items()} == {"0": 27, "3": 9, "4": 36, "7": 12}
    inputs = {name: rows for name, rows in inputs.items() if name != "7"}
    ranks = redistribute_ranks(inputs, 3)
    pattern = {exactly(name): rank for name, rank in ranks.items()}
    attach(network, LoraConfig(rank=3, targets="conv", rank_pattern=pattern))
    layers = adapted_layers(network)
    set_starts(network, {n: eva(layers[n].base_weight, only(layers[n]).settings, inputs[n]) for n in layers})
    torch.testing.assert_close(network(X), frozen)
    assert {name: only(layer).settings.rank for name, layer in layers.items()} == ranks


def test_lora_ga_starts_along_the_gradient() -> None:
    torch.manual_seed(0)
    network = small_network()
    before = snapshot(network)
    gradients = weight_gradients(network, lambda: F.cross_entropy(network(X), LABELS))
    assert same_bits(before, snapshot(network))
    expected = small_network()
    expected.load_state_dict(before)
    F.cross_entropy(expected(X), LABELS).backward()
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, expected.get_submodule(name).weight.grad)
    frozen = network(X)
    attach(network, LoraConfig(rank=2))
    layers = adapted_layers(network)
    starts = {n: lora_ga(layers[n].base_weight, only(layers[n]).settings, gradients[n]) for n in layers}
    set_starts(network, starts)
    torch.testing.assert_close(network(X), frozen, rtol=1e-4, atol=1e-5)
    U, _, Vh = torch.linalg.svd(gradients["4"].flatten(1), full_matrices=False)
    A, B = starts["4"].A.flatten(1), starts["4"].B.flatten(1)  # type: ignore[union-attr]
    torch.testing.assert_close((A @ Vh[:2].t()).abs(), 12**0.25 / 4 * torch.eye(2), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close((B.t() @ U[:, 2:4]).abs(), 12**0.25 / 4 * torch.eye(2), rtol=1e-3, atol=1e-4)


def test_corda_splits_the_weight_by_what_the_inputs_need() -> None:
    settings = AdapterSettings(rank=2, alpha=2)
    weight, inputs = torch.randn(4, 6, dtype=torch.float64), torch.randn(90, 6, dtype=torch.float64)
    inputs = inputs * torch.tensor([5, 4, 3, 2, 1, 0.5])
    every = corda(weight, AdapterSettings(rank=4, alpha=4), inputs)
    torch.testing.assert_close(product(every, AdapterSettings(rank=4, alpha=4)), weight)
    least, most = (product(corda(weight, settings, inputs, mode), settings) for mode in ("keep", "learn"))
    torch.testing.assert_close(least + most, weight)
    assert (inputs @ least.t()).norm() < (inputs @ most.t()).norm()


def test_corda_survives_a_covariance_that_has_no_inverse() -> None:
    for inputs in (torch.randn(3, 6), torch.zeros(3, 6), torch.zeros(9, 6)):
        start = corda(torch.randn(4, 6), AdapterSettings(rank=2), inputs)
        assert start.B is not None and bool(start.A.isfinite().all()) and bool(start.B.isfinite().all())


def test_corda_of_few_inputs_is_that_of_their_damped_covariance() -> None:
    settings, weight = AdapterSettings(rank=2, alpha=2), torch.randn(4, 6, dtype=torch.float64)
    few = torch.randn(3, 6, dtype=torch.float64)
    covariance = few.t() @ few / 3
    damped = covariance + 1e-3 * covariance.diagonal().mean() * torch.eye(6, dtype=torch.float64)
    many = torch.linalg.cholesky(6 * damped).t()  # six rows that have this covariance
    one, other = (product(corda(weight, settings, inputs, "learn"), settings) for inputs in (few, many))
    torch.testing.assert_close(one, other)


def test_starts_of_wide_layers_take_no_time_that_grows_with_the_third_power_of_their_columns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def large(matrix: torch.Tensor) -> None:
        raise AssertionError(f"{tuple(matrix.shape)}")

    for name in ("eigh", "inv_ex", "solve"):
        monkeypatch.setattr(torch.linalg, name, large)
    inputs = torch.randn(20, 300)
    for start in (corda, lora_null):
        found = start(torch.randn(4, 300), AdapterSettings(rank=2), inputs)
        assert product(found, AdapterSettings(rank=2)).norm() > 0
        assert (inputs @ found.A.t()).abs().max() < 1e-4 or start is corda


def test_lora_null_reads_what_the_inputs_do_not_have() -> None:
    settings, weight = AdapterSettings(rank=2, alpha=2), torch.randn(4, 6, dtype=torch.float64)
    inputs = torch.randn(90, 4, dtype=torch.float64) @ torch.randn(4, 6, dtype=torch.float64)
    start = lora_null(weight, settings, inputs)
    assert (inputs @ start.A.t()).abs().max() < 1e-9
    assert product(start, settings).norm() > 0.1


def test_a_network_started_in_the_null_space_keeps_its_answers_on_the_anchors_while_b_is_trained() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3))
    anchors = torch.randn(50, 4) @ torch.randn(4, 8)
    frozen, inputs = network(anchors), layer_inputs(network, lambda: network(anchors))
    attach(network, LoraConfig(rank=2, targets="0"))
    layer = adapted_layers(network)["0"]
    set_starts(network, {"0": lora_null(layer.base_weight, only(layer).settings, inputs["0"])})
    perturb(network)
    torch.testing.assert_close(network(anchors), frozen, rtol=1e-3, atol=1e-4)
    other = torch.randn(50, 8)
    with adapters_off(network):
        without = network(other)
    assert not torch.allclose(network(other), without, rtol=0.1)


def test_starts_that_do_not_fit_are_refused() -> None:
    network = attach(small_network(), LoraConfig(rank=2, targets="conv"))
    with pytest.raises(LoraError, match="7 has no adapter"):
        set_starts(network, {"7": Start(torch.zeros(2, 12))})
    with pytest.raises(LoraError, match="rank 3, its adapter 2"):
        set_starts(network, {"0": Start(torch.zeros(3, 3, 3, 3))})
    with pytest.raises(LoraError, match="needs images"):
        attach(small_network(), LoraConfig(init="eva"))


def test_the_gradients_of_an_adapted_network_are_those_of_the_plain_one() -> None:
    network = small_network()
    expected = weight_gradients(network, lambda: F.cross_entropy(network(X), LABELS))
    adapted = attach(network, LoraConfig(rank=2))
    perturb(adapted)
    found = weight_gradients(adapted, lambda: F.cross_entropy(adapted(X), LABELS))
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient)


@pytest.mark.parametrize("columns", [12, 60])
def test_a_contrastive_start_reads_what_these_inputs_have_and_others_lack(columns: int) -> None:
    generator = torch.Generator().manual_seed(0)
    others = torch.randn(20, columns, generator=generator, dtype=torch.float64)
    inputs = torch.randn(20, columns, generator=generator, dtype=torch.float64)
    others[:, :4] *= 0.01
    inputs[:, 2:] *= 0.5
    settings = AdapterSettings(rank=2)
    base = torch.zeros(5, columns, dtype=torch.float64)
    A = contrastive(base, settings, inputs, others).A

    def ratio(rows: Tensor) -> float:
        new, known = ((values @ rows.t()).square().sum(0) / len(values) for values in (inputs, others))
        return float((new / (known + 0.03 * others.square().mean())).min())

    torch.testing.assert_close(A.norm(dim=1), torch.ones(2, dtype=torch.float64))
    assert ratio(A) > ratio(torch.eye(columns, dtype=torch.float64)[:2])  # the two that were made so
    assert ratio(A) > 2 * ratio(eva(base, settings, inputs).A)
    assert contrastive(base, settings, inputs, others).B is None
