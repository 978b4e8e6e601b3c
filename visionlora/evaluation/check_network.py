"""What the check of a folder asks a network: features of images, and its outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from visionlora.data.check.features import image_features
from visionlora.errors import VisionLoraError
from visionlora.models import load_backbone
from visionlora.models.config import ModelConfig
from visionlora.models.known import AUTO, AUTO_CHOICE, POCKET
from visionlora.models.registry import final_layer
from visionlora.models.sources import check_source, describe, is_here
from visionlora.report.progress import progress


def outputs_of(model: ModelConfig) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and WordNet ids of a network's outputs; its own weights are not downloaded for that.

    Raises:
        VisionLoraError: an unknown network, or a file that cannot be read.
    """
    check_source(model.name, others=(AUTO, POCKET))
    if model.weights not in ("imagenet", "none") or model.factory:
        backbone = load_backbone(model.name, model.weights, progress=False, option="model.weights")
        return backbone.categories, backbone.wnids
    about = describe(model.name)
    return about.categories, about.wnids


def features_of(
    paths: Sequence[Path],
    model: ModelConfig,
    console: Console,
    views: Mapping[Path, NDArray[np.uint8]] | None = None,
) -> NDArray[np.float32]:
    """(N, D): what a network makes of images before its last layer; its weights are not downloaded for that.

    Args:
        paths: N images that can be read.
        model: the network.
        console: where progress is shown.
        views: path -> uint8 (crop, crop, 3), what this network sees of an image; the others are decoded.

    Raises:
        VisionLoraError: the network's weights are not here.
    """
    name = AUTO_CHOICE if model.name == AUTO else model.name
    if name != POCKET and model.weights == "imagenet" and not is_here(name):
        raise VisionLoraError(
            f"strays=true needs the weights of {name}, which are not here; train with it once"
        )
    backbone = load_backbone(name, model.weights, progress=False, option="model.weights")
    last = backbone.model.get_submodule(final_layer(backbone.model, len(backbone.categories)))
    with progress(console, f"{backbone.name} looks for mislabelled images") as advance:
        return image_features(backbone.model, last, backbone.preprocessing, paths, advance, views)
