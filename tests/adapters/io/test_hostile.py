"""Adapter directories from strangers: whatever they hold, the answer is one line, and nothing has changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from tests.adapters.networks import perturb, same_bits, small_network, snapshot
from visionlora.adapters import LoraConfig, LoraError, attach, load_adapter, read_adapter_config, save_adapter
from visionlora.errors import VisionLoraError

CONFIG, TENSORS = "adapter_config.json", "adapter_model.safetensors"

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
keys = st.sampled_from(
    [
        "peft_type",
        "auto_mapping",
        "r",
        "lora_alpha",
        "lora_dropout",
        "rank_pattern",
        "alpha_pattern",
        "use_dora",
        "use_rslora",
        "bias",
        "init_lora_weights",
        "modules_to_save",
        "target_modules",
        "base_model_name_or_path",
    ]
)
own_keys = st.sampled_from(
    ["family", "settings", "strength", "fingerprint", "model", "weights", "classes", "head", "preprocessing"]
)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    network = attach(small_network(), LoraConfig(rank=2))
    perturb(network)
    return save_adapter(network, tmp_path / "adapter")


def change(directory: Path, changes: dict[str, Any], own: dict[str, Any] | None = None) -> None:
    config = json.loads((directory / CONFIG).read_text())
    config |= changes
    if own is not None:
        config["auto_mapping"]["visionlora"] |= own
    (directory / CONFIG).write_text(json.dumps(config))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(keys, values, max_size=2), own=st.dictionaries(own_keys, values, max_size=2))
def test_any_value_under_any_key_is_taken_or_refused_in_one_line(
    saved: Path, changes: dict, own: dict
) -> None:
    sound = (saved / CONFIG).read_text()
    network = small_network()
    before = snapshot(network)
    try:
        change(saved, changes, own if "auto_mapping" not in changes else None)
        load_adapter(network, saved, check_fingerprint=False)
    except LoraError as error:
        assert len(str(error)) < 5000
        assert same_bits(before, snapshot(network))
    finally:
        (saved / CONFIG).write_text(sound)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[" * 100_000, "is not JSON"),
        ('{"peft_type": ' + "[" * 50_000 + "]" * 50_000 + "}", "is not JSON"),
        ("[]", "not an object"),
        ('"LORA"', "not an object"),
        ("\0", "is not JSON"),
        ('{"peft_type": "LORA", "r": 1' + "0" * 400 + "}", "give a whole number from 1 to 4096"),
        ('{"peft_type": "LORA", "r": 1' + "0" * 5000 + "}", "is not JSON"),
        ('{"peft_type": "LORA", "lora_alpha": 1' + "0" * 400 + "}", "give a positive number"),
        ('{"peft_type": "LORA", "lora_alpha": NaN}', "give a positive number"),
        ('{"peft_type": "LORA", "rank_pattern": {"((.+)+)+!": 4}}', "could take very long"),
        ('{"peft_type": ["LORA"]}', "peft_type is"),
        ('{"peft_type": "LORA", "modules_to_save": "classifier"}', "modules_to_save is"),
        ('{"peft_type": "LORA", "auto_mapping": []}', "auto_mapping is"),
        ('{"peft_type": "LORA", "auto_mapping": {"visionlora": {"classes": [1]}}}', "classes is"),
        ('{"peft_type": "LORA", "auto_mapping": {"visionlora": {"strength": {"x": "y"}}}}', "strength is"),
        (" " * (17 << 20), "more than 16 MiB"),
    ],
)
def test_a_configuration_that_is_none_is_refused(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / CONFIG).write_text(content)
    with pytest.raises(LoraError, match=said) as refused:
        read_adapter_config(tmp_path)
    assert len(str(refused.value)) < 1000


def test_two_hundred_thousand_patterns_are_refused_before_one_is_tried(saved: Path) -> None:
    patterns = ",".join(f'"layer{number}":4' for number in range(200_000))
    (saved / CONFIG).write_text(f'{{"peft_type": "LORA", "rank_pattern": {{{patterns}}}}}')
    with pytest.raises(LoraError, match="200000 patterns: give at most 4096"):
        read_adapter_config(saved)


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        (lambda tensor: tensor.fill_(float("nan")), "NaN or infinite"),
        (lambda tensor: tensor.index_fill(0, torch.tensor([0]), float("inf")), "NaN or infinite"),
        (lambda tensor: tensor.long(), "torch.int64"),
        (lambda tensor: tensor.bool(), "torch.bool"),
        (lambda tensor: tensor.to(torch.float8_e4m3fn), "float8"),
    ],
)
def test_tensors_that_no_adapter_has_are_refused(saved: Path, spoilt: Any, said: str) -> None:
    tensors = load_file(saved / TENSORS)
    name = next(iter(tensors))
    save_file({**tensors, name: spoilt(tensors[name])}, saved / TENSORS)
    network = small_network()
    before = snapshot(network)
    with pytest.raises(LoraError, match=said):
        load_adapter(network, saved)
    assert same_bits(before, snapshot(network))


def test_names_of_tensors_may_be_long_or_many_and_the_message_is_short(saved: Path) -> None:
    tensors = load_file(saved / TENSORS)
    many = {f"base_model.model.layer{number}.lora_A.weight": torch.zeros(1) for number in range(2000)}
    save_file({**tensors, **many}, saved / TENSORS)
    with pytest.raises(LoraError, match="and 1995 more") as refused:
        load_adapter(small_network(), saved)
    assert len(str(refused.value)) < 5000
    save_file({**tensors, "base_model.model." + "." * 100_000: torch.zeros(1)}, saved / TENSORS)
    with pytest.raises(LoraError, match="not the name of a tensor"):
        load_adapter(small_network(), saved)


def test_errors_of_adapters_are_errors_of_ours() -> None:
    assert issubclass(LoraError, VisionLoraError)


def test_a_family_that_its_peft_type_is_not_of_is_named(saved: Path) -> None:
    change(saved, {}, {"family": "loha"})
    with pytest.raises(LoraError, match=r"visionlora.family is loha, and peft_type is '?LORA'?,"):
        read_adapter_config(saved)
    change(saved, {"peft_type": "LOAR"}, {"family": "none"})
    with pytest.raises(LoraError, match=r"those that can be loaded \(LORA, LOHA, LOKR"):
        read_adapter_config(saved)
