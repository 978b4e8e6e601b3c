"""A trained network from a stranger's adapter directory: one line says what is wrong with it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from visionlora.adapters import LoraConfig, attach, save_adapter
from visionlora.adapters.io.config_file import _OWN_KINDS
from visionlora.errors import VisionLoraError
from visionlora.models import load_backbone
from visionlora.models.restore import adapter_directory, restore
from visionlora.models.several_adapters import restore_adapters

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


def test_an_adapter_of_a_training_loop_is_restored_without_naming_its_network_again(
    tmp_path: Path, weights: Path
) -> None:
    network = attach(load_backbone("squeezenet1_1", str(weights)).model, LoraConfig(rank=2))
    directory = tmp_path / "saved"
    save_adapter(network, directory, base_model="squeezenet1_1")
    assert restore(directory, weights=str(weights)).backbone.name == "squeezenet1_1"
    again = restore_adapters([str(directory)], weights=str(weights))
    assert again.backbone.name == "squeezenet1_1"


@pytest.mark.parametrize("base_model", ["", "my_own_network"])
def test_an_adapter_of_a_network_that_torchvision_lacks_asks_for_its_name(
    tmp_path: Path, base_model: str
) -> None:
    network = attach(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1)), LoraConfig(rank=2))
    save_adapter(network, tmp_path / "saved", base_model=base_model)
    with pytest.raises(VisionLoraError, match="does not name the network it adapts; add model=NAME"):
        restore(tmp_path / "saved")


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


def saved_with(folder: Path, preprocessing: dict[str, Any] | None) -> Path:
    about = {"model": "pocket", "preprocessing": preprocessing}
    save_adapter(attach(load_backbone("pocket").model, LoraConfig(rank=1)), folder, extra=about)
    return folder


def as_saved(**changed: Any) -> dict[str, Any]:
    return {**asdict(load_backbone("pocket").preprocessing), **changed}


def test_images_are_prepared_as_the_adapter_says_and_not_as_the_weights_do(tmp_path: Path) -> None:
    folder = saved_with(tmp_path / "edited", as_saved(mean=[0.1, 0.2, 0.3], crop=48, resize=60))
    for trained in (restore(folder), restore_adapters([str(folder), str(folder)])):
        given = trained.backbone.preprocessing
        assert (given.mean, given.crop, given.resize) == ((0.1, 0.2, 0.3), 48, 60)
        assert "images are prepared as the adapter says: resize=60" in (trained.backbone.notice or "")
    same = restore(saved_with(tmp_path / "same", as_saved()))
    assert same.backbone.preprocessing == load_backbone("pocket").preprocessing
    assert same.backbone.notice is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"crop": 0}, r"auto_mapping.visionlora.preprocessing: crop is 0.*; leave it as it was saved$"),
        ({"std": [1, 1]}, "std is .1, 1., not three numbers"),
        ({"crop": 1, "resize": 1}, r"crop is 1; pocket has \d+, and takes no other"),
    ],
)
def test_a_preprocessing_that_no_image_can_have_is_refused(
    tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(VisionLoraError, match=said):
        restore(saved_with(tmp_path, as_saved(**changed)))


def test_adapters_of_differently_prepared_images_do_not_act_together(tmp_path: Path) -> None:
    folders = [saved_with(tmp_path / "a", as_saved()), saved_with(tmp_path / "b", as_saved(resize=80))]
    with pytest.raises(VisionLoraError, match="is for preprocessing"):
        restore_adapters([str(folder) for folder in folders])
