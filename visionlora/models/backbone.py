"""Load a pretrained network by name, with its class names and preprocessing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import nn

from visionlora.data.images.preprocessing import Preprocessing
from visionlora.errors import VisionLoraError, WeightFileError
from visionlora.models import factory, sources
from visionlora.models.download import WeightsUnavailable
from visionlora.models.known import AUTO, AUTO_CHOICE, PHOTO_LIKE, POCKET, POCKET_FILE
from visionlora.models.metadata import WeightsMetadata
from visionlora.models.sources import structure
from visionlora.models.weights import WeightFile, fill, read_weights, rename_keys
from visionlora.paths import with_home

TIMEOUT_S = 10.0
"""A download stops after so many seconds without an answer or with hardly any data."""
PROBE_S = 4.0


@dataclass
class Backbone:
    """A network in eval mode on the CPU, nothing frozen yet.

    Attributes:
        requested: the name given by the user.
        name: the name of the loaded network; differs from ``requested`` only for "auto".
        model: maps normalised images (batch, 3, height, width) to logits (batch, outputs).
        categories: the name of each output.
        wnids: the WordNet id of each output, "" where there is none.
        preprocessing: how images become its input.
        weights: "imagenet", "none" or a file's absolute path; ``load_backbone(name, weights)`` loads the same
            network again.
        notice: a message for the user about a fallback or a repaired cache; None if there is none.
        anchors: folders of unlabelled images that ship with the network.
        retention_root: folder of labelled images that ships with the network.
        options: that the network's constructor was given besides the number of outputs.
        thresholds: where its outputs are labels, of which an image may have several, the probabilities above
            which it has them; else none.
    """

    requested: str
    name: str
    model: nn.Module
    categories: tuple[str, ...]
    wnids: tuple[str, ...]
    preprocessing: Preprocessing
    weights: str
    notice: str | None = None
    anchors: tuple[Path, ...] = ()
    retention_root: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    thresholds: tuple[float, ...] = ()


def load_backbone(
    name: str = AUTO,
    weights: str = "imagenet",
    *,
    progress: bool = True,
    seed: int = 0,
    option: str = "weights",
) -> Backbone:
    """Load a network.

    Args:
        name: a torchvision network; "timm/NAME"; "package.module:function", which is then called; "pocket",
            the small network that ships with the project; or "auto": VGG19 if its ImageNet weights are in
            PyTorch's cache or can be downloaded, else pocket.
        weights: "imagenet" (the published weights; pocket and a function have their own), a file as
            :func:`read_weights` takes it, or "none" (random).
        progress: show a progress bar while downloading.
        seed: for random weights.
        option: where `weights` comes from, for errors.

    Raises:
        VisionLoraError: an unknown name; a file that is missing, damaged or does not fit; or weights that
            cannot be downloaded. Only "auto" falls back to another network.
    """
    if weights is None:  # torchvision's word for random weights
        raise VisionLoraError(f"{option} is None; give imagenet, none (random weights) or a file")
    try:
        return _load(name, weights, progress, seed)
    except WeightFileError as error:
        raise VisionLoraError(f"{option}: {error}") from error
    except WeightsUnavailable as error:
        other = f"model=pocket, {option}=PATH or {option}=none" if "." in option else f"{option}=PATH"
        raise WeightsUnavailable(f"{error}, or work without a download: {other}") from error


def _load(name: str, weights: str, progress: bool, seed: int) -> Backbone:
    sources.check_source(name, others=(AUTO, POCKET))
    if name == AUTO and weights == "imagenet":
        return _load_auto(progress)
    if name == AUTO:
        raise VisionLoraError(
            f"model=auto chooses the weights itself; with model.weights={weights} name the network too, "
            "e.g. model=vgg19"
        )
    if weights not in ("imagenet", "none"):
        path = with_home(weights).resolve()
        return _load_file(name, read_weights(path), str(path))
    if factory.is_factory(name):
        model = factory.make(name, seed)
        factory.require_values(model, name)
        return _backbone(name, model, factory.describe(model, name), weights, {})
    if weights == "none":
        about, options = _about(name), sources.constructor_options(name)
        model = sources.random_network(name, len(about.categories), options, seed)
        return _backbone(name, model, about, weights, options)
    return _load_pocket() if name == POCKET else _load_published(name, progress, TIMEOUT_S)


def _load_auto(progress: bool) -> Backbone:
    try:
        backbone = _load_published(AUTO_CHOICE, progress, PROBE_S)
    except WeightsUnavailable as error:
        backbone = _load_pocket()
        backbone.notice = (
            f"model=auto FALLS BACK to pocket, a small network for trying things out, because {AUTO_CHOICE} "
            f"could not be loaded: {str(error).removeprefix(f'{AUTO_CHOICE}: ')}"
        )
    backbone.requested = AUTO
    return backbone


def _load_published(name: str, progress: bool, timeout_s: float) -> Backbone:
    path, notice = sources.published_file(name, progress, timeout_s)
    backbone = _load_file(name, read_weights(path), "imagenet")
    backbone.notice = notice or backbone.notice
    return backbone


def _load_pocket() -> Backbone:
    backbone = _load_file(POCKET, read_weights(POCKET_FILE), "imagenet")
    backbone.anchors = (PHOTO_LIKE / "anchor",)
    backbone.retention_root = PHOTO_LIKE / "val"
    return backbone


def _load_file(name: str, file: WeightFile, weights: str) -> Backbone:
    """The network with a file's weights, and as many outputs as the file has."""
    about = _about(name)
    known = len(about.categories)
    model = structure(name, known)
    state = rename_keys(file.state, model.state_dict())
    options = sources.constructor_options(name, state)
    about = about.with_outputs(sources.outputs_in(name, model, state, known))
    if not factory.is_factory(name) or len(about.categories) != known:
        model = structure(name, len(about.categories), options)
    fill(model, state, str(file.path))
    size = options.get("image_size")
    if size not in (None, about.preprocessing.crop):  # no other crop fits
        about = replace(about, preprocessing=replace(about.preprocessing, resize=size, crop=size))
    backbone = _backbone(name, model, about.updated(file.metadata, str(file.path)), weights, options)
    backbone.notice = file.notice
    return backbone


def _backbone(
    name: str, model: nn.Module, about: WeightsMetadata, weights: str, options: Mapping[str, Any]
) -> Backbone:
    return Backbone(
        name, name, model, about.categories, about.wnids, about.preprocessing, weights, options=options,
        thresholds=about.thresholds,
    )  # fmt: skip


def _about(name: str) -> WeightsMetadata:
    """A network's metadata before its weight file is read."""
    if factory.is_factory(name):
        return factory.describe(structure(name, 0), name)
    about = sources.describe(name)
    if name != POCKET:
        return about
    metadata = read_weights(POCKET_FILE).metadata
    return about.with_outputs(len(json.loads(metadata["categories"]))).updated(metadata, str(POCKET_FILE))
