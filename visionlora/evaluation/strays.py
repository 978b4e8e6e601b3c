"""Images that may be mislabelled, by a network's features; and what a network's outputs are."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from visionlora.data.features import image_features
from visionlora.data.images import ImageFile
from visionlora.data.outliers import Stray, far_from_class
from visionlora.errors import VisionLoraError
from visionlora.models import Backbone, load_backbone
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
        backbone = load_backbone(model.name, model.weights, progress=False)
        return backbone.categories, backbone.wnids
    about = describe(model.name)
    return about.categories, about.wnids


def find_strays(
    images: Sequence[ImageFile], model: ModelConfig, named: bool, console: Console
) -> list[Stray]:
    """Images far from all others of their class, by their places.

    Args:
        images: labelled ones that can be read.
        model: whose features are compared.
        named: whether nothing but this network will do; otherwise pocket stands in for one that is not here.
        console: where progress is shown.

    Raises:
        VisionLoraError: the network's weights are not here.
    """
    backbone = _network(model, named)
    last = backbone.model.get_submodule(final_layer(backbone.model, len(backbone.categories)))
    with progress(console, f"{backbone.name} looks for mislabelled images") as advance:
        paths = [image.path for image in images]
        features = image_features(backbone.model, last, backbone.preprocessing, paths, advance)
    return far_from_class(features, [image.label or "" for image in images])


def _network(model: ModelConfig, named: bool) -> Backbone:
    """The network that features come from, which is not downloaded for that."""
    name = AUTO_CHOICE if model.name == AUTO else model.name
    published = name != POCKET and model.weights == "imagenet"
    if published and not is_here(name):
        if named:
            raise VisionLoraError(
                f"strays=true needs the weights of {name}, which are not here; train with it once"
            )
        return load_backbone(POCKET, progress=False)
    return load_backbone(name, model.weights, progress=False)
