"""Explain lists what a step really computed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.conftest import Left
from visionlora.adapters import LoraConfig, attach, fold_batch_norm
from visionlora.kernels import candidates
from visionlora.kernels.autotune import implementation
from visionlora.kernels.matmul import has_onednn
from visionlora.training.explain import explain_step, kind_of

Command = Callable[..., Left]


@pytest.fixture
def images() -> torch.Tensor:
    """Large enough that implementations are timed."""
    return torch.randn(2, 3, 128, 128).to(memory_format=torch.channels_last)


def test_each_layer_is_listed_with_its_own_input_and_implementations(
    network: nn.Module, images: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "_SMALL", 0)  # none is left to PyTorch's own operations
    explained = explain_step(attach(network, LoraConfig(rank=2)), images)
    first, depthwise, pointwise, last = explained["layers"]
    assert [layer["name"] for layer in explained["layers"]] == ["0", "3", "5", "10"]
    assert [layer["input"] for layer in explained["layers"]] == [
        (2, 3, 128, 128), (2, 8, 64, 64), (2, 8, 64, 64), (2, 16)
    ]  # fmt: skip
    assert first["product"]["implementation"] == "conv"
    assert pointwise["product"]["implementation"] in ("matmul", "onednn")
    timed = {"matmul", "onednn"} if has_onednn(images) else set()
    assert set(pointwise["product"]["seconds"]) == timed
    assert set(first["gradient"]["seconds"]) >= {"low_rank", "full"}
    assert last["gradient"]["seconds"] == {}
    assert depthwise["calls"] == 1
    assert explained["parameters"]["trainable"] == sum(layer["parameters"] for layer in explained["layers"])
    assert explained["timed_s"] > 0
    assert explained["step_s"] > 0


def test_a_layer_that_pytorchs_own_operations_compute_whole_is_listed_once(network: nn.Module) -> None:
    last = explain_step(attach(network, LoraConfig(rank=2)), torch.randn(1, 3, 8, 8))["layers"][-1]
    assert last["product"] == {"implementation": "autograd", "seconds": {}}
    assert last["gradient"] is None


def test_folded_batch_norms_are_listed(network: nn.Module, images: torch.Tensor) -> None:
    attach(network, LoraConfig(rank=2))
    assert explain_step(network, images)["batch_norms"] == {"all": 1, "folded": 0}
    fold_batch_norm(network, images)
    explained = explain_step(network, images)
    assert explained["batch_norms"] == {"all": 1, "folded": 1}
    assert [layer["folded"] for layer in explained["layers"]] == ["1", None, None, None]


def test_a_frozen_grouped_convolution_is_listed_folded_or_not(images: torch.Tensor) -> None:
    deep = nn.Conv2d(8, 8, 3, stride=2, groups=8, bias=False)
    network = nn.Sequential(nn.Conv2d(3, 8, 1), deep, nn.BatchNorm2d(8), nn.Flatten(), nn.LazyLinear(2))
    network(images)
    attach(network, LoraConfig(rank=2, exclude="1")).to(memory_format=torch.channels_last)
    for folded_norm in (None, "2"):
        if folded_norm:
            fold_batch_norm(network, images)
        _, frozen, _ = explain_step(network, images)["layers"]
        facts = (frozen["name"], frozen["rank"], frozen["parameters"], frozen["folded"])
        assert facts == ("1", 0, 0, folded_norm)
        assert set(frozen["product"]["seconds"]) <= {"conv", "flipped"}
        assert frozen["product"]["implementation"] in ("conv", "flipped")
        assert frozen["gradient"] is None


def test_an_implementation_fixed_by_hand_is_listed(network: nn.Module, images: torch.Tensor) -> None:
    attach(network, LoraConfig(rank=2))
    for name in ("low_rank", "full"):
        with implementation(name):
            first = explain_step(network, images)["layers"][0]
        assert first["gradient"] == {"implementation": name, "seconds": {}}


def test_a_layer_whose_weight_is_read_without_a_call_is_listed() -> None:
    attention = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    network = attach(nn.Sequential(nn.Flatten(2), attention), LoraConfig(rank=2))
    layers = explain_step(network, torch.randn(2, 3, 2, 4))["layers"]
    calls = {layer["name"]: layer["calls"] for layer in layers}
    assert calls == {"1.self_attn": 1, "1.self_attn.out_proj": 0, "1.linear1": 1, "1.linear2": 1}


def test_explain_removes_its_hooks_and_gradients(network: nn.Module, images: torch.Tensor) -> None:
    explain_step(attach(network, LoraConfig(rank=2)), images)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (nn.Linear(512, 10), "linear 512 -> 10"),
        (nn.Conv2d(3, 64, 7, 2), "conv 7x7 / 2, 3 -> 64"),
        (nn.Conv2d(8, 8, (1, 3), dilation=2, groups=8), "conv 1x3 dilated 2, 8 -> 8 in 8 groups"),
    ],
)
def test_a_layer_is_described_by_kind_and_sizes(layer: nn.Module, words: str) -> None:
    assert kind_of(layer) == words


def test_the_command_shows_and_writes_every_adapted_layer(command: Command, tmp_path: Path) -> None:
    left = command(
        "explain", "model=resnet18", "data.batch_size=1", "lora.rank=2", "lora.targets=last:4",
        "trainer.precision=32-true", "trainer.kernel=low_rank", "output=explained.json",
    )  # fmt: skip
    assert left.code == 0, left.err
    assert left.err.startswith("timing a training step of resnet18: 1 random image of 224 x 224, CPU, ")
    explained = json.loads((tmp_path / "explained.json").read_text())
    assert explained["input"] == [1, 3, 224, 224]
    assert explained["batch_norms"] == {"all": 20, "folded": 20}
    assert [layer["name"] for layer in explained["layers"]][-1] == "fc"
    for layer in explained["layers"]:
        assert layer["name"] in left.out
        assert layer["gradient"]["implementation"] == "low_rank"
    assert "20 of 20 batch norms folded" in " ".join(left.out.split())


RANKS = {
    "lora": 2, "dora": 2, "oft": 2, "ia3": 0, "full": 0, "bias": 0, "[lora,ia3]": 2, "[dora,conv_adapter]": 2,
    "visual_prompt": 0,
}  # fmt: skip


@pytest.mark.parametrize("family", RANKS)
def test_every_family_is_shown_with_the_rank_that_it_has(
    family: str, command: Command, tmp_path: Path
) -> None:
    layer = "features.0" if family == "visual_prompt" else "classifier.1"
    left = command(
        "explain", "data.batch_size=1", f"lora.family={family}", f"lora.targets=[{layer}]", "lora.rank=2",
        "trainer.kernel=rule", "output=explained.json",
    )  # fmt: skip
    assert left.code == 0, left.err
    (shown,) = json.loads((tmp_path / "explained.json").read_text())["layers"]
    assert (shown["name"], shown["rank"], shown["calls"]) == (layer, RANKS[family], 1)
    assert shown["parameters"] > 0 and "1 adapted layer" in left.out and "frozen" not in left.out


def test_without_a_network_the_command_times_the_small_one_and_says_how_to_name_another(
    command: Command,
) -> None:
    left = command("explain", "data.batch_size=1", "lora.targets=last:1", "trainer.kernel=rule")
    assert left.code == 0, left.err
    assert "of pocket: 1 random image of 128 x 128" in left.err
    assert "model=NAME times another network" in left.err


def test_an_unknown_implementation_is_refused_with_a_list_of_known_ones(command: Command) -> None:
    left = command("explain", "model=resnet18", "trainer.kernel=fastest")
    assert left.code == 2
    assert "low_rank" in left.err and len(left.err.strip().splitlines()) == 1
