from __future__ import annotations

import copy
import pickle
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from tests.adapters.networks import only, perturb, same_bits, small_network, snapshot
from visionlora.adapters import (
    AdaptedLayer,
    FrozenBatchNorm,
    LoraConfig,
    LoraError,
    active_adapters,
    adapted_layers,
    adapter_parameters,
    adapter_state,
    adapters_off,
    attach,
    detach,
    merge,
    merged,
    scale,
    scaled,
)
from visionlora.adapters.replaced_tensors import replace_tensors


def adapted(**config) -> nn.Sequential:
    torch.manual_seed(0)
    network = attach(small_network(), LoraConfig(rank=2, **config))
    perturb(network)
    return network


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(2, 3, 9, 9, generator=torch.Generator().manual_seed(5))


def test_attaching_keeps_the_names_and_adds_two_a_layer():
    network = small_network()
    before = list(network.state_dict())
    attach(network)
    after = [name for name in network.state_dict() if ".adapters." not in name]
    assert sorted(after) == sorted(before)
    assert list(adapter_state(network)) == [f"{n}.adapters.default.lora_{p}" for n in "0347" for p in "AB"]
    assert [tuple(p.shape) for p in adapter_parameters(network)][2:6] == [
        (8, 1, 3, 3),
        (8, 8, 1, 1),
        (8, 4, 3, 3),
        (12, 8, 1, 1),
    ]


def test_only_adapters_are_trainable():
    network = attach(small_network())
    trainable = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert trainable == set(adapter_state(network))


def test_frozen_means_frozen(x):
    torch.manual_seed(0)
    network = attach(small_network(), LoraConfig(rank=2, dropout=0.1))
    before = snapshot(network)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.1, weight_decay=0.1)
    first = [parameter.clone() for parameter in adapter_parameters(network)]
    for _ in range(4):
        network.train()
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(x), torch.tensor([1, 2])).backward()
        optimizer.step()
    assert all(not torch.equal(a, b) for a, b in zip(first, adapter_parameters(network), strict=True))
    assert same_bits(before, snapshot(network))
    assert same_bits(before, detach(network).state_dict())


@pytest.mark.parametrize("kind", [nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm])
def test_batch_norm_stays_in_eval_mode_until_the_adapters_are_gone(kind):
    network = nn.Sequential(nn.Linear(4, 4), kind(4)).train()
    attach(network)
    assert isinstance(network[1], FrozenBatchNorm) and isinstance(network[1], kind)
    network.train()
    assert network.training and network[0].training and not network[1].training
    copied = merge(copy.deepcopy(network))
    for plain in (detach(network), copied):
        assert type(plain[1]) is kind and plain[1].training
        assert not plain.eval()[1].training


class OwnNorm(nn.Module):
    """Keeps a mean of what it has seen, and a layer inside."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("running_mean", torch.zeros(()))
        self.inner = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        if self.training:
            self.running_mean.lerp_(x.detach().mean(), 0.1)
        assert self.inner.training or not self.was_training
        return self.inner(x - self.running_mean)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: nn.InstanceNorm2d(4, track_running_stats=True),
        lambda: nn.utils.spectral_norm(nn.Conv2d(4, 4, 3)),
        lambda: nn.utils.parametrizations.spectral_norm(nn.Conv2d(4, 4, 3)),
        OwnNorm,
    ],
)
def test_whatever_keeps_statistics_is_frozen_until_the_adapters_are_gone(layer):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), layer()).train()
    kinds = [type(module) for module in network.modules()]
    attach(network, LoraConfig(rank=2, targets=["0"]))
    before = copy.deepcopy(network.state_dict())
    network.train()(torch.randn(2, 3, 9, 9))
    assert same_bits(before, network.state_dict())
    detach(network)
    assert [type(module) for module in network.modules()] == kinds
    assert all(module.training for module in network.modules())


def test_detaching_gives_each_batch_norm_the_mode_that_it_had():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.BatchNorm2d(4)).train()
    network[1].eval()
    assert [norm.training for norm in detach(attach(network))[1:]] == [False, True]


@pytest.mark.parametrize(
    "change",
    [
        lambda weight: weight.requires_grad_(True),
        lambda weight: weight.data.zero_(),
        lambda weight: weight.zero_(),
        lambda weight: weight.detach().zero_(),
        lambda weight: weight[0].fill_(1),
        lambda weight: weight.view(-1).add_(1),
        lambda weight: weight.__setitem__(0, 1.0),
        lambda weight: nn.init.normal_(weight),
        lambda weight: setattr(weight, "requires_grad", True),
    ],
)
@pytest.mark.parametrize("layer", [nn.Conv2d(3, 4, 3), nn.Linear(3, 4), nn.Embedding(3, 4)])
def test_changing_a_computed_weight_is_refused_in_a_sentence(layer, change):
    attach(copy.deepcopy(layer))
    adapted = attach(copy.deepcopy(layer))
    before = adapted.base_weight.clone()
    with torch.no_grad(), pytest.raises(LoraError, match=r"would be lost: change layer\.base_weight"):
        change(adapted.weight)
    assert torch.equal(adapted.base_weight, before)
    assert type(adapted.weight * 2) is torch.Tensor


def test_a_trainable_parameter_cannot_take_the_place_of_a_frozen_weight(x):
    network = adapted()
    logits, state = network(x), network.state_dict()
    layer = next(iter(adapted_layers(network).values()))
    with pytest.raises(LoraError, match=r"merge the adapters first, or assign layer\.base_weight"):
        layer.weight = nn.Parameter(layer.weight.detach().clone())
    torch.testing.assert_close(network(x), logits, rtol=0, atol=0)
    network.load_state_dict({key: tensor.clone() for key, tensor in state.items()}, assign=True)
    torch.testing.assert_close(network(x), logits, rtol=0, atol=0)


@pytest.mark.parametrize("layer", [nn.Conv2d(3, 4, 3), nn.Linear(3, 4), nn.Embedding(3, 4)])
def test_a_frozen_weight_is_changed_in_place_or_replaced_under_its_name(layer):
    adapted = attach(copy.deepcopy(layer))
    with torch.no_grad():
        adapted.base_weight += 1
    assert torch.equal(adapted.weight, layer.weight + 1)
    adapted.base_weight = nn.Parameter(layer.weight.detach() - 1, requires_grad=False)
    assert torch.equal(adapted.weight, layer.weight - 1)
    assert torch.equal(detach(adapted).weight, layer.weight - 1)
    with pytest.raises(LoraError, match="merge the adapters first, or assign one with requires_grad=False"):
        attach(adapted).base_weight = nn.Parameter(layer.weight.detach())


@pytest.mark.parametrize("grad", [True, False])
def test_a_batch_norm_cannot_be_fused_into_a_computed_weight(grad):
    network = attach(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))).eval()
    perturb(network)
    with torch.set_grad_enabled(grad), pytest.raises(LoraError, match="merge the adapters first"):
        fuse_conv_bn_eval(network[0], network[1])
    x = torch.randn(2, 3, 6, 6)
    expected = network(x)
    merge(network)
    torch.testing.assert_close(fuse_conv_bn_eval(network[0], network[1])(x), expected)


@pytest.mark.parametrize("inside", [adapters_off, merged, partial(scaled, strength=0.5)])
@pytest.mark.parametrize("end", [merge, detach])
def test_adapters_may_end_where_they_are_switched_off_or_merged(x, inside, end):
    network = adapted()
    with inside(network):
        end(network)
    assert [sorted(vars(one)) for one in network.modules()] == [
        sorted(vars(one)) for one in end(adapted()).modules()
    ]
    attach(network)
    with adapters_off(network):
        detach(network)
        attach(network)
    assert all(layer.computes_adapters for layer in adapted_layers(network).values())


def test_merging_leaves_plain_layers_and_the_same_logits(x):
    network = adapted()
    logits = network(x)
    assert merge(network) is network
    assert not any(isinstance(module, AdaptedLayer | FrozenBatchNorm) for module in network.modules())
    assert {type(module) for module in network.modules()} == {type(m) for m in small_network().modules()}
    small_network().load_state_dict(network.state_dict(), strict=True)
    torch.testing.assert_close(network(x), logits)


def test_a_network_that_cannot_be_merged_keeps_all_its_adapters(x):
    network = adapted()
    logits, layers = network(x), list(adapted_layers(network).values())
    with torch.no_grad():
        last = next(iter(layers[-1].adapters.parameters()))
        held = last.clone()
        last.fill_(float("nan"))
    with pytest.raises(LoraError, match="NaN or infinite"):
        merge(network)
    assert list(adapted_layers(network).values()) == layers
    with torch.no_grad():
        last.copy_(held)
    assert torch.equal(network(x), logits)


def test_inside_merged_a_network_costs_and_gives_what_a_plain_one_does(x, monkeypatch):
    network = adapted()
    plain = merge(copy.deepcopy(network))(x)
    monkeypatch.setattr("visionlora.adapters.kinds.adapted_conv", None)
    monkeypatch.setattr("visionlora.adapters.kinds.adapted_linear", None)
    with merged(network):
        monkeypatch.setattr("visionlora.adapters.base.merged_weight", None)
        assert torch.equal(network(x), plain)


def test_merged_restores_the_network_even_after_an_error(x):
    network = adapted()
    before, logits, objects = snapshot(network), network(x), list(network.parameters())
    with pytest.raises(RuntimeError, match="inside"), merged(network):
        network(x)
        raise RuntimeError("inside")
    assert same_bits(before, snapshot(network))
    assert torch.equal(network(x), logits)
    assert all(a is b for a, b in zip(objects, network.parameters(), strict=True))


def test_merged_is_a_snapshot_and_nests(x):
    network = adapted()
    with merged(network):
        outer = network(x)
        perturb(network)
        assert torch.equal(network(x), outer)
        with merged(network):
            inner = network(x)
            assert not torch.allclose(inner, outer)
        assert torch.equal(network(x), outer)
    torch.testing.assert_close(network(x), inner)


@pytest.mark.parametrize("travel", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
@pytest.mark.parametrize("family", ["lora", "norm", "bias"])
def test_a_copy_that_is_made_inside_merged_can_be_trained(travel, family, x):
    network = attach(small_network(), LoraConfig(family=family, rank=2, targets="classifier"))
    perturb(network)
    logits = network(x)
    with merged(network):
        copied = travel(network)
    torch.testing.assert_close(copied(x), logits)
    copied(x).sum().backward()
    assert all(parameter.grad is not None for parameter in adapter_parameters(copied))
    torch.testing.assert_close(merge(copied)(x), logits)


def test_a_copy_that_is_made_inside_adapters_off_stays_the_frozen_network(x):
    network = adapted()
    with adapters_off(network):
        frozen, teacher = network(x), copy.deepcopy(network)
    assert torch.equal(teacher(x), frozen)
    assert not torch.equal(network(x), frozen)


def test_a_state_saved_inside_merged_is_that_of_the_base(x):
    network = adapted()
    before = network.state_dict()
    with merged(network):
        assert same_bits(before, network.state_dict())


def test_switched_off_adapters_leave_the_frozen_network_and_nest(x):
    torch.manual_seed(0)
    network = small_network()
    frozen = network(x)
    perturb(attach(network))
    full = network(x)
    with adapters_off(network):
        with adapters_off(network):
            assert torch.equal(network(x), frozen)
        assert torch.equal(network(x), frozen)
        with merged(network):
            assert torch.equal(network(x), frozen)
    assert torch.equal(network(x), full)
    with pytest.raises(KeyboardInterrupt), adapters_off(network):
        raise KeyboardInterrupt
    assert torch.equal(network(x), full)


def test_first_values_depend_on_seed_and_name_alone():
    def state(seed, targets="all"):
        generator = torch.Generator().manual_seed(seed)
        return adapter_state(attach(small_network(), LoraConfig(targets=targets), generator=generator))

    first, again, other = state(1), state(1), state(2)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["0.adapters.default.lora_A"], other["0.adapters.default.lora_A"])
    assert torch.equal(first["7.adapters.default.lora_A"], state(1, "linear")["7.adapters.default.lora_A"])


def test_without_a_generator_the_global_seed_decides():
    def first_a():
        torch.manual_seed(3)
        return only(attach(nn.Linear(4, 4))).lora_A

    assert torch.equal(first_a(), first_a())
    assert not torch.equal(first_a(), only(attach(nn.Linear(4, 4))).lora_A)


def test_a_starts_with_the_documented_spread_and_b_with_zero():
    layer = attach(nn.Conv2d(64, 8, 3, groups=2), LoraConfig(rank=64))
    assert only(layer).lora_A.std().item() == pytest.approx((32 * 9) ** -0.5, rel=0.03)
    assert not only(layer).lora_B.any()
    layer = attach(nn.Linear(512, 8), LoraConfig(rank=64, init_std=0.5))
    assert only(layer).lora_A.std().item() == pytest.approx(0.5, rel=0.03)


def test_ranks_and_alphas_follow_their_patterns():
    network = attach(
        small_network(), LoraConfig(rank=4, alpha=8, rank_pattern={"7": 2}, alpha_pattern={"[03]": 1})
    )
    layers = adapted_layers(network)
    assert {name: only(layer).settings.rank for name, layer in layers.items()} == {
        "0": 4,
        "3": 4,
        "4": 4,
        "7": 2,
    }
    assert {name: layer.low_rank().scaling for name, layer in layers.items()} == {
        "0": 0.25,
        "3": 0.25,
        "4": 2,
        "7": 4,
    }


def test_the_network_itself_may_be_a_layer():
    layer = nn.Linear(3, 2)
    assert attach(layer) is layer
    assert list(adapted_layers(layer)) == [""]
    assert list(adapter_state(layer)) == ["adapters.default.lora_A", "adapters.default.lora_B"]
    assert type(detach(layer)) is nn.Linear


def test_a_layer_that_stands_in_two_places_has_one_adapter(x):
    torch.manual_seed(0)
    shared = nn.Conv2d(3, 3, 1)
    network = attach(nn.Sequential(shared, nn.ReLU(), shared))
    perturb(network)
    assert list(adapted_layers(network)) == ["0"] and network[2] is network[0] is shared
    logits = network(x)
    with merged(network):
        torch.testing.assert_close(network(x), logits)
    torch.testing.assert_close(merge(network)(x), logits)
    assert network[0] is network[2]


def test_a_weight_that_two_layers_share_stays_shared_until_merging(x):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1))
    network[1].weight = network[0].weight
    perturb(attach(network))
    assert network[0].base_weight is network[1].base_weight
    logits = network(x)
    assert detach(copy.deepcopy(network))[0].weight is not None
    torch.testing.assert_close(merge(network)(x), logits)
    assert network[0].weight is not network[1].weight


@pytest.mark.parametrize("travel", [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))])
def test_an_adapted_network_can_be_copied_and_pickled(travel, x):
    network = adapted()
    there = travel(network)
    assert [type(a) for a in there.modules()] == [type(a) for a in network.modules()]
    assert torch.equal(there(x), network(x))
    assert not {id(p) for p in there.parameters()} & {id(p) for p in network.parameters()}


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_network_of_another_precision_keeps_it(dtype, x):
    network = small_network().to(dtype)
    perturb(attach(network, LoraConfig(rank=2)))
    x = x.to(dtype)
    assert {p.dtype for p in adapter_parameters(network)} == {torch.promote_types(dtype, torch.float32)}
    logits = network(x)
    assert logits.dtype == dtype
    merge(network)
    assert {p.dtype for p in network.parameters()} == {dtype}
    torch.testing.assert_close(network(x), logits)


def test_a_pretrained_state_loads_into_an_adapted_network(x):
    network, source = adapted(), small_network()
    before = {name: value.clone() for name, value in adapter_state(network).items()}
    network.load_state_dict(source.state_dict(), strict=True)
    assert same_bits(before, adapter_state(network))
    with adapters_off(network):
        assert torch.equal(network(x), source(x))


def test_attaching_twice_and_taking_off_nothing_are_errors():
    network = attach(small_network())
    with pytest.raises(LoraError, match="already"):
        attach(network)
    detach(network)
    for job in (detach, merge, adapter_parameters):
        with pytest.raises(LoraError, match="no adapters"):
            job(network)
    for context in (merged, adapters_off):
        with pytest.raises(LoraError, match="no adapters"), context(network):
            pass


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((nn.Conv2d,), "model is <class 'torch.nn.modules.conv.Conv2d'>: give a network"),
        ((None,), "model is None"),
        ((nn.Linear(2, 2), 8), r"config is 8: give a LoraConfig of visionlora\.adapters"),
        ((nn.Linear(2, 2), {"rank": 8}), r"config is {'rank': 8}"),
    ],
)
def test_what_is_no_network_or_configuration_is_refused(arguments, said):
    with pytest.raises(LoraError, match=said):
        attach(*arguments)


def test_a_refused_network_is_left_as_it_was():
    network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.utils.spectral_norm(nn.Linear(2, 2)))
    kinds, grads = [type(m) for m in network.modules()], [p.requires_grad for p in network.parameters()]
    with pytest.raises(LoraError, match=r"2: its weight is re-parametrised"):
        attach(network)
    assert kinds == [type(m) for m in network.modules()]
    assert grads == [p.requires_grad for p in network.parameters()]


def test_an_adapted_network_says_so_when_printed():
    assert "AdaptedConv2d(" in repr(adapted())
    assert "Lora(lora, rank=2, alpha=8)" in repr(adapted())


@pytest.mark.slow
def test_an_adapted_network_compiles(x):
    network = adapted()
    expected = network(x)
    torch.testing.assert_close(torch.compile(network, backend="aot_eager")(x), expected)


@pytest.mark.parametrize("config", [{}, {"rslora": True}, {"alpha_pattern": {"0": 3.0}}])
@pytest.mark.parametrize("strength", [0.3, 1.0, 2.5])
def test_a_scaled_adapter_updates_each_weight_by_that_share(config, strength):
    network = adapted(**config)
    updates = {name: layer.update() for name, layer in adapted_layers(network).items()}
    base = snapshot(network)
    assert scale(network, strength) is network
    for name, layer in adapted_layers(network).items():
        torch.testing.assert_close(layer.update(), strength * updates[name])
    merge(network)
    for name, update in updates.items():
        key = f"{name}.weight"
        torch.testing.assert_close(network.state_dict()[key], base[key] + strength * update)


def test_a_network_scaled_for_a_while_is_exactly_what_it_was_afterwards(x):
    network = adapted(alpha=3)
    with torch.no_grad():
        trained = network(x)
        with adapters_off(network):
            frozen = network(x)
        with scaled(network, 0.0):
            assert torch.equal(network(x), frozen)
        with pytest.raises(RuntimeError), scaled(network, 0.37), merged(network):
            between = network(x)
            raise RuntimeError
        assert torch.equal(network(x), trained)
        scale(network, 0.37)
        torch.testing.assert_close(network(x), between, rtol=1e-4, atol=1e-5)


def test_replaced_tensors_are_bit_for_bit_what_they_were_after_a_while_at_another_strength():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).eval()
    attach(network, LoraConfig(rank=1))
    weight = torch.tensor([0.1, 3.3, -7.7, 1e-3])
    replace_tensors(network, {"1.weight": weight, "1.num_batches_tracked": torch.tensor(7)})
    with scaled(network, 0.37):
        assert not torch.equal(network[1].weight, weight)
    assert torch.equal(network[1].weight, weight)
    assert network[1].num_batches_tracked == 7


@pytest.mark.parametrize("strength", [0.0, -1.0, float("nan"), float("inf"), 1e308, "1", None])
def test_a_strength_that_means_nothing_is_refused(strength):
    network = adapted()
    before = [adapter.strength for adapter in active_adapters(network)]
    with pytest.raises(LoraError, match="strength"):
        scale(network, strength)
    if strength != 0:
        with pytest.raises(LoraError, match="strength"), scaled(network, strength):
            pass
    assert [adapter.strength for adapter in active_adapters(network)] == before
