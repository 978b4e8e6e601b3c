"""What every adapter family promises, on every kind of layer.

A family that is defined in this file, in a few lines, takes part too: a family needs nothing but `weight` and
its parameters. Families that change no weight of a layer are for some kinds of layers alone and have tests of
their own: `test_module_adapters` (conv_adapter, visual_prompt, bias), `test_norms`, and `io/test_round_trips`
(cross_group).
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.adapters.networks import (
    WEIGHT_FAMILIES,
    Attention,
    perturb,
    same_bits,
    small_network,
    snapshot,
)
from visionlora.adapters import (
    FAMILIES,
    Adapter,
    LoraConfig,
    LoraError,
    activate,
    adapted_layers,
    adapter_names,
    adapter_parameters,
    adapters_off,
    attach,
    detach,
    fold_batch_norm,
    load_adapter,
    merge,
    merged,
    named_adapters,
    save_adapter,
    scale,
    scaled,
)
from visionlora.frozen.freeze import FrozenConv


class ChannelScale(Adapter):
    """The weight of output channel o times 1 + a_o."""

    family = "channel_scale"

    def __init__(self, shape, settings, dtype, generator):
        super().__init__(shape, settings, dtype, generator)
        self.a = nn.Parameter(torch.zeros(shape[0], *(1,) * (len(shape) - 1), dtype=dtype))

    def weight(self, base: Tensor) -> Tensor:
        return base * (1 + self.a)


@pytest.fixture(autouse=True)
def third_family(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Its registry line, while a test runs."""
    monkeypatch.setitem(FAMILIES, ChannelScale.family, ChannelScale)
    yield


VARIANTS: dict[str, dict] = {
    "lora, pissa": {"family": "lora", "init": "pissa"},
    "lora, orthogonal": {"family": "lora", "init": "orthogonal"},
    "dora, pissa": {"family": "dora", "init": "pissa"},
    "dylora, pissa": {"family": "dylora", "init": "pissa", "options": {"frozen": True}},
    "lokr, both": {"family": "lokr", "options": {"factor": 2, "decompose_both": True}},
    "oft, output": {"family": "oft", "options": {"side": "output"}},
    "oft, series": {"family": "oft", "options": {"neumann_terms": 5}},
    "boft, output": {"family": "boft", "options": {"side": "output", "factors": 3}},
    "ia3, input": {"family": "ia3", "options": {"side": "input"}},
}
ALL_FAMILIES = [*WEIGHT_FAMILIES, ChannelScale.family, *VARIANTS]


def configured(family: str, **fields: Any) -> LoraConfig:
    return LoraConfig(**{"family": family, **VARIANTS.get(family, {}), **fields})


Case = tuple[Callable[[], nn.Module], Callable[[], Tensor]]

LAYERS: dict[str, Case] = {
    "conv1d": (lambda: nn.Conv1d(5, 7, 4, padding="same"), lambda: torch.randn(2, 5, 9)),
    "conv2d": (lambda: nn.Conv2d(4, 6, 3, padding=1), lambda: torch.randn(2, 4, 9, 8)),
    "flat": (lambda: nn.Conv2d(5, 7, (1, 7), padding=(0, 3)), lambda: torch.randn(2, 5, 6, 9)),
    "conv3d": (lambda: nn.Conv3d(3, 5, (1, 2, 3)), lambda: torch.randn(1, 3, 5, 5, 5)),
    "grouped": (lambda: nn.Conv2d(6, 9, 3, groups=3), lambda: torch.randn(2, 6, 9, 8)),
    "depthwise": (lambda: nn.Conv2d(7, 14, 5, padding=2, groups=7), lambda: torch.randn(2, 7, 9, 8)),
    "dilated": (
        lambda: nn.Conv2d(4, 6, 3, dilation=3, stride=2, padding=2),
        lambda: torch.randn(2, 4, 15, 13),
    ),
    "strided": (lambda: nn.Conv2d(4, 6, 2, stride=2, bias=False), lambda: torch.randn(2, 4, 9, 8)),
    "reflected": (
        lambda: nn.Conv2d(4, 6, (4, 3), padding="same", padding_mode="reflect"),
        lambda: torch.randn(2, 4, 9, 8),
    ),
    "pointwise": (lambda: nn.Conv2d(4, 6, 1), lambda: torch.randn(2, 4, 9, 8)),
    "transposed 1d": (
        lambda: nn.ConvTranspose1d(5, 3, 4, stride=3, output_padding=2),
        lambda: torch.randn(2, 5, 9),
    ),
    "transposed 2d": (
        lambda: nn.ConvTranspose2d(4, 6, (2, 3), stride=(2, 3), dilation=2, output_padding=(1, 0)),
        lambda: torch.randn(2, 4, 9, 8),
    ),
    "transposed, grouped": (lambda: nn.ConvTranspose2d(4, 6, 3, groups=2), lambda: torch.randn(2, 4, 5, 5)),
    "transposed 3d": (lambda: nn.ConvTranspose3d(2, 4, 2), lambda: torch.randn(1, 2, 3, 3, 3)),
    "linear": (lambda: nn.Linear(5, 7), lambda: torch.randn(2, 3, 5)),
    "embedding": (lambda: nn.Embedding(10, 6, padding_idx=3), lambda: torch.tensor([[1, 3, 9], [3, 0, 2]])),
    "embedding, norms limited": (
        lambda: nn.Embedding(10, 6, max_norm=1.5),
        lambda: torch.tensor([[1, 3, 9], [3, 0, 2]]),
    ),
    "attention": (Attention, lambda: torch.randn(2, 5, 8)),
}

everywhere = pytest.mark.parametrize("kind", LAYERS)
families = pytest.mark.parametrize("family", ALL_FAMILIES)


def make(family: str, kind: str) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    layer, x = (build() for build in LAYERS[kind])
    return attach(nn.Sequential(layer), configured(family, rank=2)), x


def expected_sites(kind: str) -> list[str]:
    if kind != "attention":
        return ["0"]
    return ["0.attention.q_proj", "0.attention.k_proj", "0.attention.v_proj", "0.attention.out_proj"]


@families
@everywhere
def test_attaching_changes_nothing_and_adapts_every_weight(family: str, kind: str) -> None:
    model, x = make(family, kind)
    with adapters_off(model):
        frozen = model(x)
    torch.testing.assert_close(model(x), frozen)
    assert sorted(named_adapters(model)) == sorted(expected_sites(kind))


@families
@everywhere
def test_every_parameter_gets_a_gradient_and_the_base_gets_none(family: str, kind: str) -> None:
    model, x = make(family, kind)
    perturb(model)
    before = snapshot(model)
    (model(x) * torch.randn(model(x).shape)).sum().backward()
    assert all(parameter.grad is not None for parameter in adapter_parameters(model))
    assert any(bool(parameter.grad.any()) for parameter in adapter_parameters(model))
    trainable = {id(parameter) for parameter in adapter_parameters(model)}
    assert all(p.grad is None for p in model.parameters() if id(p) not in trainable)
    assert same_bits(before, snapshot(model))


@families
@everywhere
def test_merged_equals_adapted_and_afterwards_the_base_is_what_it_was(family: str, kind: str) -> None:
    model, x = make(family, kind)
    perturb(model)
    before, expected = snapshot(model), model(x)
    with merged(model), torch.no_grad():
        torch.testing.assert_close(model(x), expected, rtol=1e-5, atol=1e-5)
    assert same_bits(before, snapshot(model))
    torch.testing.assert_close(model(x), expected)
    plain = merge(copy.deepcopy(model))
    assert not adapted_layers(plain)
    torch.testing.assert_close(plain(x), expected, rtol=1e-5, atol=1e-5)
    assert same_bits(before, detach(model).state_dict())
    assert {type(module) for module in model.modules()} == {type(m) for m in make_plain(kind).modules()}


def make_plain(kind: str) -> nn.Module:
    return nn.Sequential(LAYERS[kind][0]())


@families
def test_the_padding_of_an_embedding_stays_what_it_was_to_the_bit(family: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding.from_pretrained(torch.randn(10, 6), padding_idx=3))
    padding, other = model[0].weight[3].clone(), model[0].weight[1].clone()
    for name in ("a", "b"):
        perturb(attach(model, configured(family, rank=2), name=name))

    def first_rows(network: nn.Module) -> None:
        found = network(torch.tensor([3, 1]))
        assert torch.equal(found[0], padding)
        assert not torch.equal(found[1], other)

    first_rows(model)
    assert not adapted_layers(model)["0"].update()[3].any()
    with merged(model), torch.no_grad():
        first_rows(model)
    first_rows(scale(model, 0.5))
    first_rows(activate(model, "a", "b"))
    first_rows(merge(copy.deepcopy(model)))
    assert torch.equal(detach(model)[0].weight[3], padding)


@families
@everywhere
def test_strength_interpolates_the_weight(family: str, kind: str) -> None:
    model, _ = make(family, kind)
    perturb(model)
    layers = adapted_layers(model)
    updates = {name: layer.adapted_weight() - layer.base_weight for name, layer in layers.items()}
    with scaled(model, 0.25):
        for name, layer in layers.items():
            found = layer.adapted_weight() - layer.base_weight
            torch.testing.assert_close(found, 0.25 * updates[name], rtol=1e-4, atol=1e-6)
    scale(model, 0.5)
    for name, layer in layers.items():
        found = layer.adapted_weight() - layer.base_weight
        torch.testing.assert_close(found, 0.5 * updates[name], rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(layer.update(), 0.5 * updates[name], rtol=1e-4, atol=1e-6)


@families
@everywhere
@torch.no_grad()
def test_at_strength_0_a_network_is_the_frozen_one_to_the_bit_merged_or_not(family: str, kind: str) -> None:
    model, x = make(family, kind)
    perturb(model)
    with adapters_off(model):
        frozen = model(x)
    with scaled(model, 0):
        assert torch.equal(model(x), frozen)
        with merged(model):
            assert torch.equal(model(x), frozen)
        assert torch.equal(merge(copy.deepcopy(model))(x), frozen)
    assert not torch.equal(model(x), frozen)


@families
@everywhere
def test_a_saved_adapter_loads_with_the_same_outputs(family: str, kind: str, tmp_path: Path) -> None:
    model, x = make(family, kind)
    perturb(model)
    expected = model(x)
    save_adapter(model, tmp_path / "adapter")
    torch.manual_seed(0)
    other = nn.Sequential(LAYERS[kind][0]())
    load_adapter(other, tmp_path / "adapter")
    torch.testing.assert_close(other(x), expected)


@families
def test_the_scaling_of_rslora_is_saved(family: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, x = (
        attach(make_plain("conv2d"), configured(family, rank=3, alpha=5, rslora=True)),
        torch.randn(2, 4, 5, 5),
    )
    perturb(model)
    torch.manual_seed(0)
    other = load_adapter(make_plain("conv2d"), save_adapter(model, tmp_path / "adapter"))
    torch.testing.assert_close(other(x), model(x))


@families
@everywhere
@pytest.mark.parametrize("travel", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_and_pickles_compute_the_same(family: str, kind: str, travel) -> None:
    model, x = make(family, kind)
    perturb(model)
    torch.testing.assert_close(travel(model)(x), model(x))


@families
def test_a_network_with_folded_batch_norm_computes_the_same(family: str) -> None:
    torch.manual_seed(0)
    network = small_network()
    network[1].running_mean.normal_()
    network[1].running_var.uniform_(0.5, 2)
    attach(network, configured(family, rank=2))
    perturb(network)
    x = torch.randn(2, 3, 9, 9)
    expected = network(x)
    assert fold_batch_norm(network, x) == ["1"]
    torch.testing.assert_close(network(x), expected, rtol=1e-4, atol=1e-5)


@families
def test_training_lowers_the_loss_and_leaves_the_base_alone(family: str) -> None:
    torch.manual_seed(0)
    network = attach(small_network(), configured(family, rank=2))
    before = snapshot(network)
    x, labels = torch.randn(8, 3, 9, 9), torch.arange(8) % 5
    optimizer = torch.optim.AdamW(adapter_parameters(network), lr=0.03)
    losses = []
    for _ in range(60):
        loss = nn.functional.cross_entropy(network(x), labels)
        losses.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.98 * losses[0]  # rotations can do least: they keep every norm
    assert same_bits(before, snapshot(network))


def test_several_low_rank_adapters_run_as_one_and_add_up() -> None:
    torch.manual_seed(0)
    network = attach(small_network(), LoraConfig(rank=2, alpha=3), name="a")
    perturb(network)
    updates = {name: layer.update() for name, layer in adapted_layers(network).items()}
    attach(network, LoraConfig(rank=3), name="b")
    assert adapter_names(network) == ("a", "b")
    perturb(network)
    for name, layer in adapted_layers(network).items():
        assert layer.active == ("b",)
        updates[name] = updates[name] + layer.update()
    activate(network, "a", "b")
    for name, layer in adapted_layers(network).items():
        low_rank = layer.low_rank()
        assert low_rank is not None and low_rank.A.shape[0] == 5
        torch.testing.assert_close(layer.update(), updates[name], rtol=1e-4, atol=1e-5)
    x = torch.randn(2, 3, 9, 9)
    expected = network(x)
    torch.testing.assert_close(merge(network)(x), expected, rtol=1e-4, atol=1e-5)


@families
def test_adapters_of_different_families_add_up(family: str) -> None:
    torch.manual_seed(0)
    network = attach(small_network(), LoraConfig(rank=2), name="first")
    perturb(network)
    attach(network, configured(family, rank=2, targets="conv"), name="second")
    perturb(network)
    activate(network, "first", "second")
    x = torch.randn(2, 3, 9, 9)
    expected = network(x)
    with merged(network), torch.no_grad():
        torch.testing.assert_close(network(x), expected, rtol=1e-4, atol=1e-5)


def test_detaching_one_adapter_keeps_the_other() -> None:
    torch.manual_seed(0)
    network = attach(small_network(), LoraConfig(rank=2), name="kept")
    perturb(network)
    x = torch.randn(2, 3, 9, 9)
    expected = network(x)
    attach(network, LoraConfig(rank=2, targets="linear"), name="removed")
    perturb(network)
    detach(network, "removed")
    assert adapter_names(network) == ("kept",)
    torch.testing.assert_close(activate(network, "kept")(x), expected)


def test_a_layer_that_one_adapter_leaves_out_can_have_another() -> None:
    torch.manual_seed(0)
    network = attach(small_network(), LoraConfig(rank=2, targets="linear"), name="linear")
    attach(network, LoraConfig(rank=2, targets="3"), name="depthwise")
    perturb(network)
    x = torch.randn(2, 3, 9, 9)
    expected = network(x)
    with adapters_off(network):
        assert not torch.allclose(network(x), expected)
    torch.testing.assert_close(merge(copy.deepcopy(network))(x), expected, rtol=1e-4, atol=1e-5)
    detach(network, "depthwise")
    assert isinstance(network[3], FrozenConv)


def test_without_an_active_adapter_a_network_is_the_frozen_one() -> None:
    torch.manual_seed(0)
    network = attach(small_network(), LoraConfig(rank=2))
    perturb(network)
    x = torch.randn(2, 3, 9, 9)
    with adapters_off(network):
        frozen = network(x)
    assert torch.equal(activate(network)(x), frozen)
    with pytest.raises(LoraError, match="no adapter 'other'"):
        activate(network, "other")


@pytest.mark.parametrize("family", ["channel_scale", "lora"])
def test_an_unknown_family_names_those_that_there_are(family: str) -> None:
    with pytest.raises(LoraError, match=f"give one of .*{family}"):
        LoraConfig(family="dora2")
