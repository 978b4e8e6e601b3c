"""Several families on one network: each is an adapter, and they are trained, saved and used together."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.adapters.networks import perturb, same_bits, small_network, snapshot
from visionlora.adapters import (
    LoraConfig,
    LoraError,
    adapted_layers,
    adapter_names,
    attach,
    detach,
    load_adapter,
    merge,
    read_adapter_config,
    save_adapter,
    scaled,
)
from visionlora.adapters.network import active_names, named_adapters

COMBINATIONS = [
    {"family": ["lora", "ia3"]},
    {"family": ["dora", "loha", "lokr"], "options": {"factor": 2}},
    {"family": ["lora", "conv_adapter"]},
    {"family": ["lora", "vera"], "dropout": 0.1, "init": "pissa"},
    {"family_pattern": {"7": "ia3", "[03]": "oft"}},
    {"bias": "lora_only", "targets": "conv"},
    {"bias": "all", "targets": "linear"},
    {"family": "bias"},
]
MERGEABLE = [one for one in COMBINATIONS if "conv_adapter" not in one.get("family", ())]


def adapted(fields: dict) -> tuple[nn.Module, nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    plain = small_network()
    if fields.get("family") == "bias":
        fields = {**fields, "targets": ["0", "4", "7"]}
    model = attach(copy.deepcopy(plain), LoraConfig(rank=2, **fields))
    return plain, model, torch.randn(2, 3, 9, 8)


@pytest.mark.parametrize("fields", COMBINATIONS, ids=str)
def test_attaching_changes_nothing_and_every_family_learns(fields: dict) -> None:
    plain, model, x = adapted(fields)
    model.eval()
    torch.testing.assert_close(model(x), plain(x), rtol=1e-4, atol=1e-5)
    perturb(model)
    model(x).sum().backward()
    for name in active_names(model):
        gradients = [p.grad for one in named_adapters(model, name).values() for p in one.parameters()]
        assert any(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients), name


@pytest.mark.parametrize("fields", COMBINATIONS, ids=str)
def test_saving_and_loading_gives_the_same_logits(fields: dict, tmp_path: Path) -> None:
    plain, model, x = adapted(fields)
    perturb(model)
    directory = save_adapter(model.eval(), tmp_path / "adapter")
    loaded = load_adapter(copy.deepcopy(plain), directory).eval()
    assert active_names(loaded) == active_names(model)
    torch.testing.assert_close(loaded(x), model(x))


@pytest.mark.parametrize("fields", MERGEABLE, ids=str)
def test_merged_weights_give_the_same_logits_and_detaching_restores_the_base(fields: dict) -> None:
    plain, model, x = adapted(fields)
    perturb(model)
    expected = model.eval()(x)
    merged = merge(copy.deepcopy(model))
    torch.testing.assert_close(merged(x), expected, rtol=1e-4, atol=1e-4)
    assert same_bits(snapshot(detach(model)), snapshot(plain))


@pytest.mark.parametrize("fields", COMBINATIONS, ids=str)
def test_strength_zero_is_the_frozen_network(fields: dict) -> None:
    plain, model, x = adapted(fields)
    perturb(model)
    with scaled(model.eval(), 0.0):
        torch.testing.assert_close(model(x), plain(x), rtol=1e-4, atol=1e-5)


def test_a_pattern_replaces_the_family_and_the_others_are_left_out() -> None:
    _, model, _ = adapted({"family_pattern": {"7": "ia3"}})
    assert adapter_names(model) == ("default", "ia3")
    assert set(named_adapters(model, "ia3")) == {"7"}
    assert not set(named_adapters(model, "default")) & set(named_adapters(model, "ia3"))


def test_the_biases_of_adapted_layers_or_of_all_are_trained() -> None:
    _, lora_only, _ = adapted({"bias": "lora_only", "targets": "linear"})
    _, every, _ = adapted({"bias": "all", "targets": "linear"})
    with_bias = {
        name for name, layer in small_network().named_modules() if getattr(layer, "bias", None) is not None
    }
    norms = {name for name, layer in small_network().named_modules() if isinstance(layer, nn.BatchNorm2d)}
    assert len(named_adapters(lora_only, "bias")) == 1
    assert set(named_adapters(every, "bias")) == with_bias - norms


def test_a_module_leaves_out_layers_that_it_is_not_for() -> None:
    _, model, _ = adapted({"family": ["lora", "conv_adapter"]})
    linear = [name for name, layer in adapted_layers(model).items() if isinstance(layer, nn.Linear)]
    assert set(named_adapters(model, "default")) - set(named_adapters(model, "conv_adapter")) == set(linear)
    with pytest.raises(LoraError, match="conv_adapter is left without a layer"):
        attach(small_network(), LoraConfig(family=["lora", "conv_adapter"], targets="linear"))


def test_a_prompt_is_at_the_first_layer_alone() -> None:
    options = {"size": 8, "width": 2}
    for family in ("visual_prompt", ["lora", "visual_prompt"]):
        model = attach(small_network(), LoraConfig(family=family, options=options))
        name = "default" if isinstance(family, str) else "visual_prompt"
        assert list(named_adapters(model, name)) == ["0"]


def test_peft_gets_no_file_that_says_half_of_it(tmp_path: Path) -> None:
    _, model, _ = adapted({"family": ["lora", "ia3"]})
    own = read_adapter_config(save_adapter(model, tmp_path))["visionlora"]
    assert own["parts"] == ["ia3"]
    assert own["not_for_peft"] == "it is one of several adapters that act together"
    assert (
        "parts"
        not in read_adapter_config(save_adapter(model, tmp_path / "one", name="default"))["visionlora"]
    )


@pytest.mark.parametrize("parts", [["../up"], ["default"], ["ia3"] * 17, ["missing"]])
def test_a_file_that_names_wrong_parts_is_refused_and_changes_nothing(parts: list, tmp_path: Path) -> None:
    plain, model, _ = adapted({"family": ["lora", "ia3"]})
    directory = save_adapter(model, tmp_path)
    file = directory / "adapter_config.json"
    named = ", ".join(f'"{part}"' for part in parts)
    file.write_text(file.read_text().replace('"ia3"', named))
    with pytest.raises(LoraError, match=r"parts is|does not exist"):
        load_adapter(plain, directory)
    assert not adapted_layers(plain)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"family": []}, "family is"),
        ({"family": ["lora", "lora"]}, "different"),
        ({"family": ["lora", "lorra"]}, "lorra"),
        ({"family_pattern": {"fc": "lorra"}}, "lorra"),
        ({"family_pattern": "fc"}, "family_pattern"),
        ({"bias": "some"}, "bias"),
        ({"family": ["ia3", "vera"], "dropout": 0.5}, "dropout"),
        ({"family": ["ia3", "loha"], "init": "pissa"}, "init=pissa"),
        ({"family": ["lora", "ia3"], "options": {"factor": 2}}, "factor"),
    ],
)
def test_wrong_combinations_are_refused(fields: dict, message: str) -> None:
    with pytest.raises(LoraError, match=message):
        LoraConfig(**fields)
