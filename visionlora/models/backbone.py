"""A pretrained network by name, with everything that belongs to it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from visionlora.errors import VisionLoraError
from visionlora.models import registry as networks
from visionlora.models.download import WeightsUnavailable, published_weights
from visionlora.models.metadata import About
from visionlora.models.preprocessing import Preprocessing
from visionlora.models.weights import WeightFile, fill, read_weights, rename_keys
from visionlora.paths import shipped

AUTO = "auto"
POCKET = "pocket"
AUTO_CHOICE = "vgg19"
PROBE_S = 4.0
POCKET_NETWORK = "squeezenet1_1"
POCKET_FILE = Path(__file__).with_name("pocket.safetensors")


@dataclass
class Backbone:
    """A network in eval mode on the CPU, nothing frozen yet.

    Attributes:
        requested: the name that was asked for.
        name: the name of what was loaded; differs from ``requested`` only for "auto".
        model: maps normalised images (batch, 3, height, width) to logits (batch, outputs).
        categories: the name of each output.
        wnids: the WordNet id of each output, "" where there is none.
        preprocessing: what the network takes.
        weights: "imagenet", "none" or a file's absolute path; ``load_backbone(name, weights)`` loads the same
            again from any folder.
        notice: what the user must be told about a fallback or a repaired cache; None where nothing is.
        anchors: folders of unlabelled images that come with the network.
        retention_root: folder of labelled images that come with the network.
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


def load_backbone(
    name: str = AUTO,
    weights: str = "imagenet",
    *,
    progress: bool = True,
    timeout_s: float = 10.0,
    seed: int = 0,
) -> Backbone:
    """Load a network.

    Args:
        name: a torchvision classification network; "pocket", the small one that ships with the project; or
            "auto": VGG19 where its ImageNet weights are in PyTorch's cache or can be downloaded, else pocket.
        weights: "imagenet" (torchvision's default weights; pocket has its own), a ``.safetensors``, ``.pth``
            or ``.pt`` file, or "none" (random).
        progress: show a progress bar while downloading.
        timeout_s: seconds without an answer, or with hardly any data, after which a download is given up.
        seed: of random weights.

    Raises:
        VisionLoraError: an unknown name, a file that is missing, broken or does not fit, or weights that
            cannot be downloaded. A network that is asked for by name is never replaced by another.
    """
    networks.check_name(name, others=(AUTO, POCKET))
    if name == AUTO and weights == "imagenet":
        return _auto(progress, min(timeout_s, PROBE_S))
    if name == AUTO:
        raise VisionLoraError(
            f"model=auto chooses the weights itself; with model.weights={weights} name the network too, "
            "e.g. model=vgg19"
        )
    if weights == "none":
        about = _about(name)
        model = networks.build(_network(name), len(about.categories), seed=seed)
        return _backbone(name, model, about, weights)
    if weights != "imagenet":
        path = Path(weights).expanduser().resolve()
        return _filled(name, read_weights(path), str(path))
    return _pocket() if name == POCKET else _published(name, progress, timeout_s)


def _auto(progress: bool, timeout_s: float) -> Backbone:
    try:
        backbone = _published(AUTO_CHOICE, progress, timeout_s)
    except WeightsUnavailable as error:
        backbone = _pocket()
        backbone.notice = (
            f"model=auto FALLS BACK to pocket, a small network for trying things out, because {AUTO_CHOICE} "
            f"could not be had: {error}"
        )
    backbone.requested = AUTO
    return backbone


def _published(name: str, progress: bool, timeout_s: float) -> Backbone:
    path, notice = published_weights(name, networks.default_weights(name).url, progress, timeout_s)
    backbone = _filled(name, read_weights(path), "imagenet")
    backbone.notice = notice
    return backbone


def _pocket() -> Backbone:
    backbone = _filled(POCKET, read_weights(POCKET_FILE), "imagenet")
    backbone.anchors = (shipped("data/pocket_photos/anchor"),)
    backbone.retention_root = shipped("data/pocket_photos/val")
    return backbone


def _filled(name: str, file: WeightFile, weights: str) -> Backbone:
    """The network with a file's weights and as many outputs as they have."""
    about = _about(name)
    model = networks.build_empty(_network(name), len(about.categories))
    state = rename_keys(file.state, model.state_dict())
    last = state.get(networks.final_layer(model, len(about.categories)) + ".weight")
    if last is not None and last.dim() and len(last) != len(about.categories):
        about = about.with_outputs(len(last))
        model = networks.build_empty(_network(name), len(last))
    fill(model, state, str(file.path))
    return _backbone(name, model, about.updated(file.metadata, str(file.path)), weights)


def _backbone(name: str, model: nn.Module, about: About, weights: str) -> Backbone:
    return Backbone(name, name, model, about.categories, about.wnids, about.preprocessing, weights)


def _network(name: str) -> str:
    return POCKET_NETWORK if name == POCKET else name


def _about(name: str) -> About:
    """What is known about a network before any weights are read."""
    about = About.of_imagenet(_network(name))
    if name != POCKET:
        return about
    metadata = read_weights(POCKET_FILE).metadata
    return about.with_outputs(len(json.loads(metadata["categories"]))).updated(metadata, str(POCKET_FILE))
