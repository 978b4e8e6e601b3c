"""``lora.targets=auto`` takes layers that the families are for, and errors of adapters name the option."""

from __future__ import annotations

from pathlib import Path

import pytest
import torchvision

from tests.conftest import Train
from visionlora.adapters import LoraConfig
from visionlora.adapters.settings import AUTO
from visionlora.models.upper_layers import with_upper_layers


def targets(**settings: object) -> LoraConfig:
    network = torchvision.models.squeezenet1_1(num_classes=4).eval()
    return with_upper_layers(network, LoraConfig(targets=AUTO, **settings), 224)  # type: ignore[arg-type]


def test_a_visual_prompt_is_on_the_first_layer_of_a_large_network_too() -> None:
    options = {"size": 224}
    alone = targets(family="visual_prompt", options=options)
    assert alone.targets[0] == "features.0"
    both = targets(family=["lora", "visual_prompt"], options=options)
    assert both.families_of("features.0") == ("visual_prompt",)
    assert both.families_of(both.targets[-1]) == ("lora", "visual_prompt")
    assert "features.0" not in targets(family="lora").targets


def test_a_family_for_convolutions_leaves_out_the_linear_layer(train: Train, tmp_path: Path) -> None:
    left, _ = train(
        "model.name=resnet18", "model.weights=none", "lora.family=conv_adapter", "model.head=new",
        "trainer.max_steps=1", "retention.root=null",
    )  # fmt: skip
    assert left.code == 0, left.err
    network = torchvision.models.mobilenet_v3_small(num_classes=4).eval()
    chosen = with_upper_layers(network, LoraConfig(family="conv_adapter", targets=AUTO), 32).targets
    assert chosen and not [name for name in chosen if name.startswith("classifier")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["lora.targets=linear"], "lora.targets 'linear' matches no layer; close names: "),
        (["lora.rank_pattern={nothing: 3}"], "lora.rank_pattern 'nothing' matches no adapted layer"),
        (["lora.exclude=all"], "lora.exclude ['all'] leaves none"),
        (["lora.family=norm"], "lora.family norm is left without a layer"),
        (["lora.family=visual_prompt"], "lora.options: visual_prompt: a frame of width 30 does not fit"),
        (
            ["lora.family=visual_prompt", "lora.options={width: 4}", "lora.targets=last:3"],
            "lora: visual_prompt is for 64 channels of 48x48, its input is (64, 2, 2): let targets hold",
        ),
    ],
)
def test_an_error_of_adapters_names_the_option_before_anything_is_written(
    train: Train, options: list[str], message: str
) -> None:
    left, folder = train(*options)
    assert left.code == 2
    assert left.err.startswith(f"error: {message}"), left.err
    assert "close names: linear" not in left.err
    assert not folder.exists()
    assert "anchor" not in left.out
