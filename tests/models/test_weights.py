"""Weight files are read without running code, and load into networks or are refused with a reason."""

from __future__ import annotations

import argparse
import copy
import json
import os
import re
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from visionlora.errors import VisionLoraError
from visionlora.models.registry import build, build_empty
from visionlora.models.weights import fill, read_weights, rename_keys


def squeezenet() -> dict[str, Tensor]:
    return build("squeezenet1_1", 3, seed=1).state_dict()


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".pt", ".ckpt", ".bin", ".pth.tar", ".PTH"])
def test_a_file_fills_an_empty_network(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    state = squeezenet()
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    network = build_empty("squeezenet1_1", 3)
    fill(network, read_weights(path).state, str(path))
    assert all(torch.equal(tensor, state[key]) for key, tensor in network.state_dict().items())
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_half_precision_becomes_single(tmp_path: Path) -> None:
    network = build_empty("resnet18", 3)
    fill(network, {key: _half(value) for key, value in build("resnet18", 3).state_dict().items()}, "it")
    assert network.fc.weight.dtype == torch.float32
    assert network.bn1.num_batches_tracked.dtype == torch.int64


def test_counters_of_batch_norm_may_be_missing() -> None:
    network = build_empty("resnet18", 3)
    state = build("resnet18", 3).state_dict()
    fill(network, {key: value for key, value in state.items() if "num_batches" not in key}, "it")
    assert network.bn1.num_batches_tracked == 0


def test_old_densenet_names_are_renamed() -> None:
    network = build_empty("densenet121", 3)
    state = build("densenet121", 3).state_dict()
    pattern = re.compile(r"(denselayer\d+\.(?:norm|conv))([12]\.)")
    old = OrderedDict((pattern.sub(r"\1.\2", key), value) for key, value in state.items())
    assert old.keys() != state.keys()
    fill(network, rename_keys(old, network.state_dict()), "it")
    assert torch.equal(network.state_dict()["features.norm0.weight"], state["features.norm0.weight"])


@pytest.mark.parametrize(
    ("name", "key"), [("googlenet", "aux1.fc1.weight"), ("inception_v3", "AuxLogits.fc.bias")]
)
def test_auxiliary_classifiers_are_left_out(name: str, key: str) -> None:
    network = build_empty(name, 3)
    state = {name: torch.zeros(tensor.shape) for name, tensor in network.state_dict().items()}
    fill(network, rename_keys({**state, key: torch.zeros(2)}, network.state_dict()), "it")
    assert key not in network.state_dict()
    assert not any(tensor.any() for tensor in network.state_dict().values())


@pytest.mark.parametrize("plain", [True, False])
def test_mnasnet_loads_with_and_without_pytorchs_version_numbers(plain: bool) -> None:
    network = build_empty("mnasnet0_5", 3)
    state = build("mnasnet0_5", 3).state_dict()
    fill(network, rename_keys(dict(state) if plain else state, network.state_dict()), "it")
    assert torch.equal(network.layers[0].weight, state["layers.0.weight"])


def test_missing_and_unexpected_keys_are_counted_and_the_first_named() -> None:
    state = squeezenet()
    extra = {f"other.{i}": torch.zeros(1) for i in range(5)}
    del state["features.0.weight"]
    with pytest.raises(VisionLoraError) as caught:
        fill(build_empty("squeezenet1_1", 3), {**state, **extra}, "file.pth")
    assert str(caught.value) == (
        "file.pth does not fit SqueezeNet; keys: 1 missing (features.0.weight), "
        "5 unexpected (other.0, other.1, other.2, …)"
    )


def test_an_adapter_is_not_taken_for_weights() -> None:
    adapter = {"base_model.model.features.0.lora_A.weight": torch.zeros(4, 3, 3, 3)}
    with pytest.raises(
        VisionLoraError, match=r"^file\.safetensors holds an adapter, not a network's weights$"
    ):
        fill(build_empty("squeezenet1_1", 3), adapter, "file.safetensors")


def test_a_folder_without_weights_in_parts_is_called_a_folder(tmp_path: Path) -> None:
    with pytest.raises(VisionLoraError, match=r" is a folder; give the file of weights$"):
        read_weights(tmp_path)


def test_keys_of_the_wrong_shape_are_named_with_both_shapes() -> None:
    state = {**squeezenet(), "features.0.weight": torch.zeros(5)}
    with pytest.raises(
        VisionLoraError, match=r"1 of the wrong shape \(features.0.weight is 5, expected 64x3x3x3\)"
    ):
        fill(build_empty("squeezenet1_1", 3), state, "it")


@pytest.mark.parametrize(
    "prefix", ["module.", "_orig_mod.", "_orig_mod.module.", "module._orig_mod.", "model.", "net.backbone."]
)
def test_prefixes_of_distributed_training_and_compilation_are_removed(prefix: str) -> None:
    network = build_empty("mnasnet0_5", 3)
    state = build("mnasnet0_5", 3, seed=1).state_dict()
    wrapped = OrderedDict((f"{prefix}{key}", tensor) for key, tensor in state.items())
    wrapped._metadata = {"": {"version": 1}} | {
        f"{prefix}{module}".rstrip("."): version for module, version in state._metadata.items()
    }
    fill(network, rename_keys(wrapped, network.state_dict()), "it")
    assert all(torch.equal(tensor, state[key]) for key, tensor in network.state_dict().items())


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model", "model_state", "state_dict_ema"])
def test_a_training_checkpoint_is_read_as_its_state_dict(tmp_path: Path, key: str) -> None:
    state = squeezenet()
    optimizer = {"state": {}, "param_groups": [{"lr": 0.1}]}
    arguments = argparse.Namespace(lr=0.1, output=Path("runs"))  # torchvision's own scripts save theirs
    content = {"epoch": 3, key: state, "optimizer": optimizer, "args": arguments}
    torch.save(content, tmp_path / "checkpoint.pth")
    assert read_weights(tmp_path / "checkpoint.pth").state.keys() == state.keys()


def test_a_moving_average_is_used_and_that_is_said(tmp_path: Path) -> None:
    state = squeezenet()
    average = {f"module.{key}": tensor + 1 for key, tensor in state.items()}
    path = tmp_path / "checkpoint.pth"
    torch.save({"model": state, "model_ema": {**average, "n_averaged": torch.tensor(7)}}, path)
    file = read_weights(path)
    network = build_empty("squeezenet1_1", 3)
    fill(network, rename_keys(file.state, network.state_dict()), str(path))
    assert torch.equal(network.classifier[1].bias, state["classifier.1.bias"] + 1)
    assert file.notice == f"{path}: it holds model_ema and model; model_ema is used"


@pytest.mark.parametrize("given", ["folder", "index"])
def test_weights_in_several_files_are_one_state_dict(tmp_path: Path, given: str) -> None:
    state = squeezenet()
    keys = sorted(state)
    places = {key: f"model-{number % 2 + 1}-of-2.safetensors" for number, key in enumerate(keys)}
    for name in set(places.values()):
        save_file({key: state[key] for key in keys if places[key] == name}, tmp_path / name)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": places}))
    read = read_weights(index if given == "index" else tmp_path).state
    assert all(torch.equal(read[key], state[key]) for key in keys)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"a": "../x.safetensors"}, "parts are safetensors files beside it"),
        ({"a": "x.pth"}, "parts are safetensors files beside it"),
        ({"a": "gone.safetensors"}, "which is not there"),
        ({"a": 3}, "no weight_map of file names"),
        ([], "no weight_map"),
    ],
)
def test_an_index_names_files_beside_it_alone(tmp_path: Path, content: object, said: str) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": content}))
    with pytest.raises(VisionLoraError, match=said):
        read_weights(index)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_file_is_named(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"weights{suffix}"
    save_file(squeezenet(), path) if suffix == ".safetensors" else torch.save(squeezenet(), path)
    os.truncate(path, int(share * path.stat().st_size))
    with pytest.raises(VisionLoraError, match=re.escape(str(path))) as caught:
        read_weights(path)
    assert "\n" not in str(caught.value)


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / "trapped",)

    path = tmp_path / "trap.pth"
    torch.save({"weight": Trap()}, path)
    with pytest.raises(VisionLoraError, match="more than tensors"):
        read_weights(path)
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"weights": {}, "epoch": 3}, "a dict with the keys weights, epoch"),
        ([torch.zeros(1)], "holds a list, not a state dict"),
        (torch.zeros(1), "holds a Tensor"),
    ],
)
def test_a_file_that_holds_something_else_is_refused(tmp_path: Path, content: object, reason: str) -> None:
    path = tmp_path / "other.pth"
    torch.save(copy.deepcopy(content), path)
    with pytest.raises(VisionLoraError, match=reason):
        read_weights(path)


@pytest.mark.parametrize(
    ("unusual", "said"),
    [
        (lambda dense: dense.to_sparse(), "torch.sparse_coo"),
        (lambda dense: torch.quantize_per_tensor(dense, 0.1, 0, torch.qint8), "quantised"),
        (lambda dense: dense.to("meta"), "on meta"),
        (lambda dense: dense.to(torch.complex64), "torch.complex64"),
        (lambda dense: torch.zeros(1).expand(2**40), "claims 1099511627776 numbers and has fewer"),
    ],
)
def test_a_tensor_that_no_network_has_is_refused(
    tmp_path: Path, unusual: Callable[[Tensor], Tensor], said: str
) -> None:
    path = tmp_path / "weights.pth"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save({**squeezenet(), "features.0.bias": unusual(torch.ones(64))}, path)
        with pytest.raises(VisionLoraError, match=said):
            read_weights(path)


@pytest.mark.parametrize("key", [3, None, ("a",), "x" * 2000])
def test_a_key_that_is_no_name_is_refused(tmp_path: Path, key: object) -> None:
    path = tmp_path / "weights.pth"
    torch.save({**squeezenet(), key: torch.ones(1)}, path)
    with pytest.raises(VisionLoraError, match="names are texts") as refused:
        read_weights(path)
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_with_nan_or_infinity_are_refused(value: float) -> None:
    state = squeezenet()
    state["features.0.bias"] = state["features.0.bias"].index_fill(0, torch.tensor([5]), value)
    with pytest.raises(VisionLoraError, match=r"features\.0\.bias in it has values that are NaN or infinite"):
        fill(build_empty("squeezenet1_1", 3), state, "it")


def test_whole_numbers_where_the_network_has_others_are_refused() -> None:
    state = squeezenet()
    state["features.0.bias"] = state["features.0.bias"].int()
    with pytest.raises(VisionLoraError, match=r"holds torch\.int32, where the network has torch\.float32"):
        fill(build_empty("squeezenet1_1", 3), state, "it")


def test_a_file_that_unpacks_to_more_than_it_has_bytes_is_refused(tmp_path: Path) -> None:
    torch.save({"x": torch.zeros(10**6)}, tmp_path / "sound.pth")
    path = tmp_path / "bomb.pth"
    with (
        zipfile.ZipFile(tmp_path / "sound.pth") as sound,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for name in sound.namelist():
            bomb.writestr(name, sound.read(name))
    with pytest.raises(VisionLoraError, match="unpacks to 3 MiB"):
        read_weights(path)


def test_a_missing_file_gets_suggestions(tmp_path: Path) -> None:
    (tmp_path / "vgg19.pth").touch()
    with pytest.raises(VisionLoraError, match=r"no file .*vgg91.pth; close: vgg19.pth"):
        read_weights(tmp_path / "vgg91.pth")
    with pytest.raises(VisionLoraError, match="nor a folder"):
        read_weights(tmp_path / "nowhere" / "vgg19.pth")


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    (tmp_path / "weights.h5").touch()
    with pytest.raises(VisionLoraError, match=r"ends in none of .safetensors, .pth, .pt, .ckpt, .bin, .tar"):
        read_weights(tmp_path / "weights.h5")


@pytest.mark.filterwarnings("ignore:.*torch.jit.*")
def test_torchscript_is_called_by_its_name(tmp_path: Path) -> None:
    torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)).save(tmp_path / "script.pt")
    with pytest.raises(VisionLoraError, match=r"is TorchScript, which is code; save model.state_dict\(\)"):
        read_weights(tmp_path / "script.pt")


def _half(tensor: Tensor) -> Tensor:
    return tensor.half() if tensor.is_floating_point() else tensor
