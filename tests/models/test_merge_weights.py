"""Merged weights load into torchvision's networks with the options that were written beside them."""

from __future__ import annotations

import gc
import io
import json
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from safetensors import safe_open
from torch import nn
from torchvision import models

from visionlora.adapters import LoraConfig, attach, merge, save_adapter
from visionlora.data.images.preprocessing import Preprocessing
from visionlora.models import Backbone, WeightsMetadata, list_backbones, load_backbone
from visionlora.models.config import MergeConfig
from visionlora.models.merge_weights import get_model_recipe, write_merged, write_weights
from visionlora.models.registry import EmptyOnMeta, build_empty, constructor_options, final_layer

FEW = ("googlenet", "inception_v3", "mnasnet0_5", "squeezenet1_1", "shufflenet_v2_x0_5", "vit_b_32")
INPUT = Preprocessing(64, 64, (0.0,) * 3, (1.0,) * 3, "bilinear")
SIDES = {"vit_h_14": 518, "vit": 224, "maxvit": 224, "inception": 96}
"""What some kinds of network ask for; the others take small images."""


@torch.no_grad()
def filled(name: str, outputs: int) -> nn.Module:
    """A network with weights that differ from each other and keep the signal in bounds, made fast."""
    network = build_empty(name, outputs)
    noise = torch.randn(1 << 14, generator=torch.Generator().manual_seed(0))
    for key, tensor in network.state_dict(keep_vars=True).items():
        owner, _, last = key.rpartition(".")
        if not tensor.is_meta:
            continue
        repeats = -(-tensor.numel() // len(noise))
        values = noise.repeat(repeats)[: tensor.numel()].view(tensor.shape)
        if tensor.dim() > 1:
            values *= (tensor[0].numel()) ** -0.5
        elif last == "running_var":
            values = 1 + 0.1 * values.abs()
        elif last == "weight":  # of a norm: small, or residual blocks amplify rounding without limit
            values = 0.4 + 0.1 * values.abs()
        else:
            values *= 0.1
        made = nn.Parameter(values) if isinstance(tensor, nn.Parameter) else values
        setattr(network.get_submodule(owner), last, made)
    return network.eval()


def loaded(file: Path, recipe: dict[str, Any]) -> nn.Module:
    """What a user of torchvision does with the file and the recipe in it."""
    with EmptyOnMeta():  # all that differs from calling it alone is that no time goes into random weights
        network = models.get_model(recipe["network"], **recipe["options"])
    if file.suffix == ".safetensors":
        with safe_open(file, "pt") as opened:
            state = OrderedDict((key, opened.get_tensor(key)) for key in opened.keys())  # noqa: SIM118
            assert json.loads(opened.metadata()["options"]) == recipe["options"]
        if "version" in recipe:
            state._metadata = {"": {"version": recipe["version"]}}  # type: ignore[attr-defined]
    else:
        state = torch.load(file, weights_only=True)
    network.load_state_dict(state, assign=True)
    return network.eval()


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in FEW else pytest.mark.slow) for name in list_backbones()],
)
@torch.no_grad()
def test_merged_weights_load_with_the_written_options(name: str, tmp_path: Path) -> None:
    network = filled(name, 7)
    about = ("frog",) * 7, ("",) * 7
    backbone = Backbone(name, name, network, *about, INPUT, "none", options=constructor_options(name))
    config = LoraConfig(rank=1, init_std=0.5, targets=[final_layer(network, 7).replace(".", r"\.")])
    attach(network, config, generator=torch.Generator().manual_seed(0))
    for key, tensor in network.named_parameters():
        if "lora_B" in key:
            tensor.fill_(0.1)
    side = next((side for kind, side in SIDES.items() if name.startswith(kind)), 64)
    images = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(1))
    adapted = network(images)
    merge(network)
    file = tmp_path / ("merged.pth" if name == "mnasnet1_0" else "merged.safetensors")
    recipe = get_model_recipe(backbone, network, 7)
    write_weights(file, network, recipe, WeightsMetadata(*about, INPUT))
    del network, backbone
    gc.collect()  # the largest has 2.6 GB, and is in the file, too
    logits = loaded(file, recipe)(images)
    assert adapted.std() > 0
    assert torch.isfinite(logits).all()
    torch.testing.assert_close(logits, adapted, rtol=1e-4, atol=1e-4 * float(adapted.abs().max()))
    file.unlink()
    gc.collect()


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_merge_writes_the_options_and_says_them(suffix: str, tmp_path: Path) -> None:
    backbone = load_backbone("mnasnet0_5", "none")
    attach(backbone.model, LoraConfig(rank=1, targets=[r"classifier\.1"]))
    save_adapter(backbone.model, tmp_path / "adapter", extra={"model": "mnasnet0_5", "weights": "none"})
    said = io.StringIO()
    file = tmp_path / f"merged{suffix}"
    options = MergeConfig(adapter=str(tmp_path / "adapter"), output=str(file))
    write_merged(options, Console(file=said, width=300))
    assert "torchvision.models.get_model('mnasnet0_5', num_classes=1000)" in said.getvalue()
    recipe = json.loads((tmp_path / "merged.classes.json").read_text(encoding="utf-8"))
    assert (recipe["network"], recipe["version"]) == ("mnasnet0_5", 2)
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(loaded(file, recipe)(images), merge(backbone.model)(images))


def test_the_image_size_of_a_vision_transformer_is_that_of_its_weights(tmp_path: Path) -> None:
    network = models.get_model("vit_b_32", image_size=96, num_classes=4)
    torch.save(network.state_dict(), tmp_path / "small.pth")
    backbone = load_backbone("vit_b_32", str(tmp_path / "small.pth"))
    assert backbone.options == {"image_size": 96}
    assert (backbone.preprocessing.resize, backbone.preprocessing.crop) == (96, 96)
    assert get_model_recipe(backbone, network, 4)["options"] == {"num_classes": 4, "image_size": 96}
