"""Load a pretrained network by name, with its class names and preprocessing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from visionlora.data.preprocessing import Preprocessing
from visionlora.errors import VisionLoraError
from visionlora.models import registry as networks
from visionlora.models.download import WeightsUnavailable, published_weights
from visionlora.models.metadata import WeightsMetadata
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
        name: a torchvision classification network; "pocket", the small network that ships with the project;
            or "auto": VGG19 if its ImageNet weights are in PyTorch's cache or can be downloaded, else pocket.
        weights: "imagenet" (torchvision's default weights; pocket has its own), a ``.safetensors``, ``.pth``
            or ``.pt`` file, or "none" (random).
        progress: show a progress bar while downloading.
        timeout_s: a download stops after so many seconds without an answer or with hardly any data.
        seed: for random weights.

    Raises:
        VisionLoraError: an unknown name; a file that is missing, damaged or does not fit; or weights that
            cannot be downloaded. Only "auto" falls back to another network.
    """
    networks.check_name(name, others=(AUTO, POCKET))
    if name == AUTO and weights == "imagenet":
        return _load_auto(progress, min(timeout_s, PROBE_S))
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
        return _load_file(name, read_weights(path), str(path))
    return _load_pocket() if name == POCKET else _load_published(name, progress, timeout_s)


def _load_auto(progress: bool, timeout_s: float) -> Backbone:
    try:
        backbone = _load_published(AUTO_CHOICE, progress, timeout_s)
    except WeightsUnavailable as error:
        backbone = _load_pocket()
        backbone.notice = (
            f"model=auto FALLS BACK to pocket, a small network for trying things out, because {AUTO_CHOICE} "
            f"could not be loaded: {error}"
        )
    backbone.requested = AUTO
    return backbone


def _load_published(name: str, progress: bool, timeout_s: float) -> Backbone:
    path, notice = published_weights(name, networks.default_weights(name).url, progress, timeout_s)
    backbone = _load_file(name, read_weights(path), "imagenet")
    backbone.notice = notice
    return backbone


def _load_pocket() -> Backbone:
    backbone = _load_file(POCKET, read_weights(POCKET_FILE), "imagenet")
    backbone.anchors = (shipped("data/pocket_photos/anchor"),)
    backbone.retention_root = shipped("data/pocket_photos/val")
    return backbone


def _load_file(name: str, file: WeightFile, weights: str) -> Backbone:
    """The network with a file's weights, and as many outputs as the file has."""
    about = _about(name)
    model = structure(name, len(about.categories))
    state = rename_keys(file.state, model.state_dict())
    last = state.get(networks.final_layer(model, len(about.categories)) + ".weight")
    # An empty tensor may claim any number of rows: it is refused below.
    if last is not None and last.dim() and last.numel() and len(last) != len(about.categories):
        about = about.with_outputs(len(last))
        model = structure(name, len(last))
    fill(model, state, str(file.path))
    return _backbone(name, model, about.updated(file.metadata, str(file.path)), weights)


def _backbone(name: str, model: nn.Module, about: WeightsMetadata, weights: str) -> Backbone:
    return Backbone(name, name, model, about.categories, about.wnids, about.preprocessing, weights)


def structure(name: str, outputs: int) -> nn.Module:
    """A network's layers, with their weights on the meta device."""
    return networks.build_empty(_network(name), outputs)


def _network(name: str) -> str:
    return POCKET_NETWORK if name == POCKET else name


def _about(name: str) -> WeightsMetadata:
    """A network's metadata before its weight file is read."""
    about = WeightsMetadata.of_imagenet(_network(name))
    if name != POCKET:
        return about
    metadata = read_weights(POCKET_FILE).metadata
    return about.with_outputs(len(json.loads(metadata["categories"]))).updated(metadata, str(POCKET_FILE))
