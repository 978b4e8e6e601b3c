"""The network that a run trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from visionlora.adapters import LoraConfig
from visionlora.adapters.network import named_adapters
from visionlora.errors import VisionLoraError
from visionlora.models.adapted import adapt
from visionlora.models.config import ModelConfig


def prompted(weights: Path, **options: Any) -> Any:
    model = ModelConfig(name="squeezenet1_1", weights=str(weights))
    lora = LoraConfig(family="visual_prompt", options=options)
    (adapter,) = named_adapters(adapt(model, lora, ["red"], 0, False).network).values()
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
        adapt(model, LoraConfig(train_norms=trained), ["goldfish"], 0, False) for trained in (False, True)
    )
    assert plain.places == norms.places
    assert named_adapters(norms.network, "norm")
