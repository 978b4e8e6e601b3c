"""What single families promise beside their weight."""

from __future__ import annotations

from typing import Any

import peft
import pytest
import torch
from torch import nn

from tests.adapters.networks import WEIGHT_FAMILIES, only, perturb, small_network
from visionlora.adapters import (
    FAMILIES,
    AdapterSettings,
    LoraConfig,
    LoraError,
    active_adapters,
    adapted_layers,
    adapter_regularizer,
    attach,
    cut_rank,
    load_adapter,
    merge,
    save_adapter,
    scale,
    step_adapters,
)
from visionlora.adapters.families.adalora import budget
from visionlora.adapters.families.lokr import factorization
from visionlora.adapters.families.rotation import block_size, cayley, divisor, skew_symmetric
from visionlora.adapters.families.vera import shared_uniform


def adapter_of(family: str, shape: tuple[int, ...] = (4, 3, 3, 3), **fields: Any) -> Any:
    generator = torch.Generator().manual_seed(0)
    adapter = FAMILIES[family](shape, AdapterSettings(family, **fields), torch.float64, generator)
    with torch.no_grad():
        for parameter in adapter.parameters():
            parameter.normal_(generator=generator)
    return adapter


def test_the_norm_of_dora_is_a_constant_in_the_gradient() -> None:
    adapter, base = adapter_of("dora", rank=2), torch.randn(4, 3, 3, 3, dtype=torch.float64)
    direction = base + 4 * (adapter.lora_B.flatten(1) @ adapter.lora_A.flatten(1)).view(base.shape)
    constant = direction.detach().flatten(1).norm(dim=1).view(4, 1, 1, 1)
    weights = torch.randn_like(base)
    expected = torch.autograd.grad((adapter.magnitude / constant * direction * weights).sum(), adapter.lora_A)
    found = torch.autograd.grad((adapter.weight(base) * weights).sum(), adapter.lora_A)
    torch.testing.assert_close(found, expected)


def test_a_channel_of_zeros_keeps_dora_finite() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3))
    nn.init.zeros_(network[0].weight[1])
    attach(network, LoraConfig(family="dora"))
    network(torch.randn(1, 3, 5, 5)).sum().backward()
    adapter: Any = only(adapted_layers(network)["0"])
    assert adapter.magnitude[1] < 1e-30
    assert all(bool(parameter.grad.isfinite().all()) for parameter in adapter.parameters())


@pytest.mark.parametrize("family", ["oft", "boft"])
def test_a_rotation_keeps_the_angles_between_output_channels(family: str) -> None:
    adapter, base = adapter_of(family, rank=3), torch.randn(4, 3, 3, 3, dtype=torch.float64)
    if family == "boft":
        nn.init.ones_(adapter.boft_s)
    before, after = base.flatten(1), adapter.weight(base).flatten(1)
    torch.testing.assert_close(after @ after.t(), before @ before.t())
    assert not torch.allclose(after, before)


def test_the_cayley_transform_is_orthogonal_with_determinant_one() -> None:
    R = cayley(skew_symmetric(torch.randn(3, 10, dtype=torch.float64), 5))
    torch.testing.assert_close(R @ R.transpose(1, 2), torch.eye(5, dtype=torch.float64).expand(3, 5, 5))
    torch.testing.assert_close(torch.linalg.det(R), torch.ones(3, dtype=torch.float64))


@pytest.mark.parametrize(
    ("size", "wanted", "found"), [(12, 4, 4), (12, 5, 4), (27, 8, 9), (7, 2, 7), (1, 8, 1)]
)
def test_a_block_has_the_divisor_closest_to_the_rank_but_not_one(size: int, wanted: int, found: int) -> None:
    assert block_size(size, wanted) == found


@pytest.mark.parametrize("size", [1, 5, 12, 27, 64, 576])
def test_divisors_are_chosen_as_peft_chooses_them(size: int) -> None:
    from peft.tuners.oft.layer import OFTLayer

    rule: Any = OFTLayer.adjust_oft_parameters
    assert [divisor(size, n) for n in range(1, size + 3)] == [rule(None, size, n) for n in range(1, size + 3)]


@pytest.mark.parametrize("factor", [-1, 1, 2, 3, 4, 8, 16])
def test_lokr_factors_sizes_as_peft_does(factor: int) -> None:
    from peft.tuners.lokr.layer import factorization as theirs

    sizes = range(1, 130)
    assert [factorization(size, factor) for size in sizes] == [theirs(size, factor) for size in sizes]


def test_vera_shares_its_matrices_between_layers_of_all_sizes() -> None:
    assert torch.equal(shared_uniform(5, 7, 4), shared_uniform(5, 100, 4)[:7])
    same = adapter_of("vera", (4, 6), rank=3), adapter_of("vera", (9, 6), rank=3)
    assert torch.equal(same[0].vera_A, same[1].vera_A)
    assert torch.equal(same[0].vera_B, same[1].vera_B[:4])
    other = adapter_of("vera", (4, 6), rank=3, options={"seed": 1})
    assert not torch.equal(other.vera_A, same[0].vera_A)
    assert set(same[0].state_dict()) == {"vera_lambda_b", "vera_lambda_d"}


def test_vera_computes_what_pefts_layer_does_with_the_same_matrices() -> None:
    from peft.tuners.vera.layer import Linear

    torch.manual_seed(0)
    plain = nn.Linear(6, 4)
    model = attach(nn.Sequential(nn.Linear(6, 4)), LoraConfig(family="vera", rank=3))
    model[0].load_state_dict(plain.state_dict(), strict=False)
    perturb(model)
    ours: Any = only(adapted_layers(model)["0"])
    config = peft.VeraConfig(r=3)
    theirs = Linear(
        plain, nn.ParameterDict({"a": ours.vera_A}), nn.ParameterDict({"a": ours.vera_B}), "a", config, 3
    )
    theirs.vera_lambda_b["a"], theirs.vera_lambda_d["a"] = ours.vera_lambda_b, ours.vera_lambda_d
    x = torch.randn(2, 6)
    torch.testing.assert_close(model(x), theirs(x))
    torch.testing.assert_close(adapted_layers(model)["0"].update(), theirs.get_delta_weight("a"))


def test_dylora_trains_a_rank_that_step_and_seed_decide_and_uses_all_in_eval_mode() -> None:
    adapter = adapter_of("dylora", rank=6)
    base = torch.randn(4, 3, 3, 3, dtype=torch.float64)
    whole = adapter.eval().weight(base)
    ranks = []
    for step in range(200):
        adapter.train().on_step(step, 200)
        ranks.append(adapter.low_rank().A.shape[0])
        assert torch.equal(adapter.eval().weight(base), whole)
    assert set(ranks) == set(range(1, 7))
    twin = adapter_of("dylora", (2, 5), rank=6).train()
    for step, rank in enumerate(ranks):
        twin.on_step(step, 200)
        assert twin.low_rank().A.shape[0] == rank


def test_frozen_dylora_trains_the_last_row_alone() -> None:
    adapter = adapter_of("dylora", rank=6, options={"frozen": True}).train()
    adapter.trained_rank = 3
    adapter.weight(torch.zeros(4, 3, 3, 3, dtype=torch.float64)).sum().backward()
    touched = adapter.lora_A.grad.flatten(1).any(dim=1)
    assert touched.tolist() == [False, False, True, False, False, False]


@pytest.mark.parametrize("rank", [1, 4])
def test_a_cut_dylora_is_the_one_that_was_trained_at_that_rank(rank: int) -> None:
    adapter, base = adapter_of("dylora", rank=6), torch.randn(4, 3, 3, 3, dtype=torch.float64)
    adapter.train().trained_rank = rank
    expected = adapter.weight(base)
    adapter.cut(rank)
    torch.testing.assert_close(adapter.eval().weight(base), expected)
    assert adapter.to_peft()["lora_A.weight"].shape[0] == rank == adapter.saved_settings.rank


def test_a_network_is_cut_and_saved_at_one_rank(tmp_path) -> None:
    torch.manual_seed(0)
    model = attach(small_network(), LoraConfig(family="dylora", rank=4)).train()
    perturb(model)
    for adapter in active_adapters(model):
        adapter.trained_rank = 2
    x = torch.randn(2, 3, 9, 9)
    expected = model(x)
    torch.testing.assert_close(cut_rank(model, 2)(x), expected)
    save_adapter(model, tmp_path)
    torch.manual_seed(0)
    loaded = load_adapter(small_network(), tmp_path)
    assert {adapter.settings.rank for adapter in active_adapters(loaded)} == {2}
    torch.testing.assert_close(loaded(x), expected)
    for adapter in active_adapters(model):
        adapter.trained_rank = 1
    torch.testing.assert_close(merge(model).eval()(x), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(LoraError, match="not for lora"):
        cut_rank(attach(small_network(), LoraConfig()), 2)
    with pytest.raises(LoraError, match="rank is 0"):
        cut_rank(attach(small_network(), LoraConfig(family="dylora")), 0)


def test_adaloras_penalty_is_the_distance_of_its_vectors_from_orthogonal() -> None:
    model = attach(small_network(), LoraConfig(family="adalora", rank=2, options={"orthogonality": 0.5}))
    perturb(model)
    expected = 0.0
    for adapter in active_adapters(model):
        for gram in (adapter.lora_B.t() @ adapter.lora_B, adapter.lora_A @ adapter.lora_A.t()):
            expected += 0.5 * (gram - torch.eye(2)).pow(2).sum().item()
    found = adapter_regularizer(model)
    assert found is not None and found.item() == pytest.approx(expected, rel=1e-5)
    assert adapter_regularizer(attach(small_network(), LoraConfig())) is None


def test_the_budget_falls_as_a_cube() -> None:
    steps = [budget(step, 100, 10, 20, 64, 16) for step in (0, 10, 11, 45, 79, 80, 100)]
    assert steps == [64, 64, 61, 22, 16, 16, 16]


def test_adalora_prunes_what_peft_prunes() -> None:
    """The same parameters and gradients over a whole schedule."""
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 4))
    config = peft.AdaLoraConfig(
        init_r=6, target_r=2, tinit=4, tfinal=10, deltaT=3, total_step=40, target_modules=["0", "1"]
    )
    options = {"target_rank": 2, "warmup": 0.1, "final": 0.25, "interval": 3}
    model = attach(
        nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 4)), LoraConfig(family="adalora", rank=6, options=options)
    )
    perturb(model)
    theirs = peft.get_peft_model(plain, config)
    pairs = []
    for name, layer in adapted_layers(model).items():
        own: Any = only(layer)
        other = theirs.base_model.model[int(name)]
        pairs += [
            (getattr(own, part), getattr(other, part)["default"]) for part in ("lora_A", "lora_B", "lora_E")
        ]
    for own, other in pairs:
        other.data.copy_(own)
    for step in range(1, 41):
        for own, other in pairs:
            own.grad = torch.randn_like(own)
            other.grad = own.grad.clone()
            with torch.no_grad():
                own -= 0.1 * own.grad
                other -= 0.1 * other.grad
        step_adapters(model, step, 40)
        theirs.base_model.update_and_allocate(step)
        for own, other in pairs:
            torch.testing.assert_close(own, other)
    assert sum(int(own.count_nonzero()) for own, _ in pairs[2::3]) == 4


def test_the_strength_of_ia3_is_saved_in_its_scales() -> None:
    adapter = adapter_of("ia3", (3, 2))
    adapter.strength = 0.25
    torch.testing.assert_close(adapter.to_peft()["ia3_l"], 1 + 0.25 * (adapter.ia3_l.detach() - 1))


@pytest.mark.parametrize(
    ("family", "options", "complaint"),
    [
        ("lora", {"factor": 2}, "lora has no option 'factor'; it has none"),
        ("lokr", {"factors": 2}, "it has factor, decompose_both"),
        ("lokr", {"factor": 0}, "factor of lokr is 0"),
        ("lokr", {"decompose_both": 1}, "give a bool"),
        ("oft", {"side": "left"}, "give input or output"),
        ("oft", {"neumann_terms": 1}, "neumann_terms"),
        ("oft", {"neumann_terms": 1}, "give 0 or a number of at least 2"),
        ("oft", {"blocks": -1}, "blocks of oft is -1: give a number from 0 to"),
        ("boft", {"factors": 0}, "factors of boft is 0"),
        ("boft", {"side": ""}, "side of boft is '': give input or output"),
        ("ia3", {"side": "left"}, "give input or output"),
        ("conv_adapter", {"reduction": 0}, "reduction of conv_adapter is 0"),
        ("adalora", {"orthogonality": float("nan")}, "orthogonality of adalora is nan"),
        ("adalora", {"interval": 0}, "interval of adalora is 0: give a number from 1 to"),
        ("adalora", {"target_rank": -1}, "target_rank of adalora is -1"),
        ("vera", {"seed": -1}, "seed of vera is -1"),
        ("adalora", {"warmup": 0.6, "final": 0.4}, "sum below 1"),
        ("adalora", {"beta1": 1.0}, "beta1"),
        ("adalora", {"interval": True}, "give a int"),
    ],
)
def test_a_wrong_option_is_refused_in_one_line(family: str, options: dict, complaint: str) -> None:
    with pytest.raises(LoraError, match=complaint) as caught:
        LoraConfig(family=family, options=options)
    assert "\n" not in str(caught.value)


def test_a_family_without_dropout_refuses_it() -> None:
    with pytest.raises(LoraError, match="dropout"):
        LoraConfig(family="loha", dropout=0.1)


def test_a_strength_survives_saving_for_every_family(tmp_path) -> None:
    for family in WEIGHT_FAMILIES:
        torch.manual_seed(0)
        model = attach(small_network(), LoraConfig(family=family, rank=2))
        perturb(model)
        scale(model, 0.5)
        save_adapter(model, tmp_path / family)
        torch.manual_seed(0)
        other = load_adapter(small_network(), tmp_path / family)
        x = torch.randn(2, 3, 9, 9)
        torch.testing.assert_close(other(x), model.eval()(x), msg=family)
