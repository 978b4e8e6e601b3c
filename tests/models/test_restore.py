"""A trained network from a stranger's adapter directory: one line says what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from visionlora.adapters.io.config_file import _OWN_KINDS
from visionlora.errors import VisionLoraError
from visionlora.models.restore import adapter_directory, restore

OTHERS = tuple(key for key in _OWN_KINDS if key != "model")
"""Keys of our own, which may be null."""


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({}, "does not name the network"),
        ({"model": 3}, "visionlora.model is 3"),
        ({"model": "../../x"}, "is not a classification network"),
        ({"model": "pocket", "weights": "/dev/zero"}, "there is no file /dev/zero"),
        ({"model": "pocket", "weights": "/etc/passwd"}, "ends in none of"),
        ({"model": "pocket", "classes": ["a"]}, "head 'None' does not exist"),
        (
            {"model": "pocket", "classes": ["a"], "head": "keep"},
            "does not fit pocket with weights=.*: class 'a' is not .*; it was trained on weights=[a-z]*$",
        ),
        ({"model": "pocket", "classes": ["a"] * 100_001, "head": "extend"}, "at most 100000 texts"),
        ({"model": "pocket", "classes": ["a", "b"], "head": "new"}, "holds no adapter's tensors"),
        ({"model": "pocket", "task": ["multi_label"]}, "visionlora.task is"),
        ({"model": "pocket", "thresholds": ["a"]}, "visionlora.thresholds is"),
        ({"model": "pocket", "thresholds": {"a": "much"}}, "numbers from 0 to 1"),
        ({"model": "pocket", "thresholds": {"a": float("nan")}}, "numbers from 0 to 1"),
        ({"model": "pocket", **dict.fromkeys(OTHERS)}, "holds no adapter's tensors"),
    ],
)
def test_what_an_adapter_says_of_itself_is_checked(tmp_path: Path, own: dict[str, Any], said: str) -> None:
    config = {"peft_type": "LORA", "auto_mapping": {"visionlora": own}}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    save_file({}, tmp_path / "adapter_model.safetensors")
    with pytest.raises(VisionLoraError, match=said) as refused:
        restore(tmp_path)
    assert len(str(refused.value)) < 1000


def test_another_network_than_the_adapters_own_is_named_with_its_option(
    tmp_path: Path, weights: Path
) -> None:
    about = {"model": "squeezenet1_1", "weights": str(weights)}
    config = {"peft_type": "LORA", "auto_mapping": {"visionlora": about}}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(VisionLoraError, match=r"^model=resnet18: .* adapts squeezenet1_1; leave model out$"):
        restore(tmp_path, model="resnet18")


def test_an_update_for_another_network_changes_nothing(tmp_path: Path) -> None:
    config = {"peft_type": "LORA", "r": 2, "auto_mapping": {"visionlora": {"model": "pocket"}}}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    tensors = {f"base_model.model.fc.lora_{part}.weight": torch.ones(2, 2) for part in "AB"}
    save_file(tensors, tmp_path / "adapter_model.safetensors")
    with pytest.raises(VisionLoraError, match="the network has no layer fc"):
        restore(tmp_path)


def test_a_path_without_an_adapter_says_what_it_is_and_what_to_give(tmp_path: Path) -> None:
    for folder in ("runs/one/adapter", "stopped", "empty"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "runs" / "one" / "adapter" / "adapter_config.json").write_text("{}")
    for name in ("stopped/config.yaml", "runs/one/config.yaml", "runs/one/adapter/adapter_model.safetensors"):
        (tmp_path / name).write_text("")
    (tmp_path / "notes.txt").write_text("")
    save_file({}, tmp_path / "lycoris.safetensors", {"ss_network_dim": "4"})
    save_file({}, tmp_path / "merged.safetensors", {"categories": "[]"})
    for name, said in {
        "runs": f"holds runs and is not one; give one of {tmp_path / 'runs' / 'one'}",
        "runs/one/config.yaml": f"is a file; give its folder: {tmp_path / 'runs' / 'one'}",
        "runs/one/adapter/adapter_model.safetensors": "is a file; give its folder: ",
        "stopped": "is a run without an adapter; visionlora train resume=",
        "empty": "has no adapter_config.json; give a run folder",
        "nothing": "does not exist; give a run folder",
        "notes.txt": "is a file; give a run folder",
        "lycoris.safetensors": "is a file; visionlora convert from=",
        "merged.safetensors": "has the weights of a whole network and no adapter",
    }.items():
        with pytest.raises(VisionLoraError) as refused:
            adapter_directory(tmp_path / name)
        assert str(refused.value).startswith(f"adapter: {tmp_path / name} {said}")
