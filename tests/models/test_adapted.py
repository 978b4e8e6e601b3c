"""The network that a run trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torch import nn

from visionlora.adapters import LoraConfig, attach
from visionlora.adapters.network import named_adapters
from visionlora.errors import VisionLoraError
from visionlora.models.adapted import AdaptedNetwork, adapt
from visionlora.models.config import ModelConfig
from visionlora.models.heads import Head


def prompted(weights: Path, **options: Any) -> Any:
    model = ModelConfig(name="squeezenet1_1", weights=str(weights))
    lora = LoraConfig(family="visual_prompt", options=options)
    (adapter,) = named_adapters(adapt(model, lora, ["red"], 0).network).values()
    return adapter


def test_a_visual_prompt_has_the_size_of_the_networks_images(weights: Path) -> None:
    assert prompted(weights, width=5).option("size") == 48
    with pytest.raises(VisionLoraError, match=r"is for 3 channels of 32x32, .* leave size out of options"):
        prompted(weights, width=5, size=32)
    with pytest.raises(VisionLoraError, match=r"lora\.options: .* width 30 does not fit into 48 pixels"):
        prompted(weights)


def test_normalizations_do_not_count_as_adapted_layers() -> None:
    model = ModelConfig(name="mobilenet_v3_small", weights="none")
    plain, norms = (
        adapt(model, LoraConfig(train_norms=trained), ["goldfish"], 0) for trained in (False, True)
    )
    assert plain.places == norms.places
    assert named_adapters(norms.network, "norm")


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        (["conv"], "all 25 layers"),
        ([r"features.0"], "1 of 26 layers"),
        ([r"features.12.expand1x1", r"features.12.expand3x3"], "the last 2 of 26 layers"),
        ([r"features.12.expand3x3"], "the last of 26 layers"),
    ],
)
def test_the_adapted_layers_are_said_in_words(targets: list[str], said: str) -> None:
    model, lora = ModelConfig(name="pocket", head="new"), LoraConfig(targets=targets)
    assert adapt(model, lora, ["red", "blue"], 0).places == said


def test_one_layer_and_none_are_said_in_words() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())
    adapted = AdaptedNetwork.__new__(AdaptedNetwork)
    vars(adapted).update(network=network, head=Head("keep", "", (), ()))
    assert adapted.places == "no layer"
    attach(network, LoraConfig(rank=1))
    assert adapted.places == "the one layer"
