"""Load a trained network from its adapter directory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from visionlora.adapters import load_adapter, read_adapter_config
from visionlora.adapters.replaced_tensors import forget_replaced
from visionlora.data.images.preprocessing import Preprocessing
from visionlora.errors import VisionLoraError
from visionlora.frozen.growth import set_growth_strength
from visionlora.hub import fetched, is_on_hub
from visionlora.models import Backbone, Head, apply_head, final_layer, load_backbone
from visionlora.models.classes import UnknownClass
from visionlora.models.expand import expand_at
from visionlora.models.factory import is_factory
from visionlora.models.quantise import quantise_base, read_corrections
from visionlora.models.registry import list_backbones
from visionlora.text import brief, listed

MULTI_LABEL = "multi_label"
"""What ``task`` of an adapter says where an image may have several labels; others have no such key."""


@dataclass(frozen=True)
class TrainedModel:
    """A network with a trained adapter, in eval mode.

    Attributes:
        network: the network with the adapter attached and loaded.
        backbone: the pretrained network it was made from, with its class names and preprocessing.
        head: names of the outputs, and which of them were trained.
        classes: names of the trained classes; empty if another library saved the adapter.
        about: the ``visionlora`` section of ``adapter_config.json``.
    """

    network: nn.Module
    backbone: Backbone
    head: Head
    classes: tuple[str, ...]
    about: dict[str, Any]

    @property
    def wnids(self) -> tuple[str, ...]:
        """The WordNet id of each output, "" for new classes."""
        return self.head.wnids(self.backbone.wnids)

    @property
    def old_outputs(self) -> int:
        """How many of the network's outputs are the frozen network's."""
        return 0 if self.head.kind == "new" else len(self.backbone.categories)


def adapter_directory(path: str | Path) -> Path:
    """The adapter directory at ``path``, or inside the run folder ``path``, or of ``hf://user/name``.

    Raises:
        VisionLoraError: there is no adapter.
    """
    folder = fetched(str(path)) if is_on_hub(path) else Path(path)
    for candidate in (folder / "adapter", folder):
        if (candidate / "adapter_config.json").is_file():
            return candidate
    raise VisionLoraError(f"adapter: {folder} {_why_none(folder)}")


def _why_none(path: Path) -> str:
    """Why there is no adapter directory at a path, and what to give instead."""
    wanted = "give a run folder or an adapter directory"
    if path.is_file():
        for folder in (path.parent / "adapter", path.parent):
            if (folder / "adapter_config.json").is_file():
                return f"is a file; give its folder: {path.parent}"
        if _holds_network(path):
            return f"has the weights of a whole network and no adapter; {wanted}"
        if path.suffix.lower() in (".safetensors", ".pt", ".pth"):
            return (
                f"is a file; visionlora convert from={path} model=NAME output=FOLDER makes an adapter "
                "directory of one that LyCORIS or loralib saved"
            )
        return f"is a file; {wanted}"
    if not path.is_dir():
        return f"does not exist; {wanted}"
    if (path / "config.yaml").is_file():
        return f"is a run without an adapter; visionlora train resume={path} continues one that was stopped"
    below = sorted(found.parent.parent for found in path.glob("*/adapter/adapter_config.json"))
    if below:
        return f"holds runs and is not one; give one of {listed([str(run) for run in below], 5)}"
    return f"has no adapter_config.json; {wanted}"


def _holds_network(path: Path) -> bool:
    """Whether a file has the names of a network's outputs in its metadata, as ``merge`` writes them."""
    try:
        with safe_open(path, "pt") as file:
            return "categories" in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False


def require_no_code(directory: Path, name: str) -> None:
    """Refuse the name of a network that code makes: an adapter may be untrusted, and no code that it names is
    run.

    Raises:
        VisionLoraError: it is one.
    """
    if is_factory(name):
        raise VisionLoraError(
            f"adapter: code makes the network of {directory}; to run it, add model={brief(name)}"
        )


def restore(path: str | Path, model: str | None = None, weights: str | None = None) -> TrainedModel:
    """Load the pretrained network that the adapter at ``path`` was trained on, and the adapter.

    Args:
        path: a run folder or an adapter directory.
        model: the network's name; needed only if the adapter does not say it.
        weights: where the base weights are now, if not where the adapter says.

    Raises:
        VisionLoraError: there is no adapter, or it does not name its network.
        visionlora.adapters.LoraError: the adapter does not fit the network.
    """
    directory = adapter_directory(path)
    about = read_about(directory)
    name = model or about.get("model")
    if not name:
        raise no_network_named(directory)
    if model is None:
        require_no_code(directory, name)
    try:
        backbone = load_backbone(name, weights or about.get("weights", "imagenet"))
    except VisionLoraError as error:
        if about.get("model") in (None, name):
            raise
        raise VisionLoraError(
            f"model={name}: {directory} adapts {about['model']}; leave model out"
        ) from error
    classes = tuple(about.get("classes", ()))
    expand_at(backbone.model, about.get("expand") or ())
    head = saved_head(backbone, directory, about)
    quantised = about.get("quantise")
    if quantised is not None:
        last = head.layer or final_layer(backbone.model, len(head.outputs))
        base = quantise_base(
            backbone.model, quantised["scheme"], quantised["skip"], last, backbone.preprocessing.crop,
            trained=head.trained,
            corrections=read_corrections(directory, backbone.model, quantised.get("corrected") or 0),
        )  # fmt: skip
        notice = f"{base.in_words()}, as when the adapter was trained"
        backbone.notice = f"{backbone.notice}; {notice}" if backbone.notice else notice
    network = load_adapter(backbone.model, directory)
    forget_replaced(network, head.trained)  # the head stays where the adapters are switched off
    set_growth_strength(network, about.get("expand_strength", 1.0))
    prepare_as_saved(backbone, directory, about)
    return TrainedModel(network.eval(), backbone, head, classes, about)


def read_about(directory: Path) -> dict[str, Any]:
    """The keys of our own in an adapter directory; none in another library's.

    A training loop that calls :func:`visionlora.adapters.save_adapter` names the network in PEFT's key alone.
    It counts where torchvision has such a network: the fingerprint tells whether the weights are the same.
    """
    config = read_adapter_config(directory)
    own: dict[str, Any] = config["visionlora"]
    base = config.get("base_model_name_or_path")
    if own.get("fingerprint") and not own.get("model") and base in list_backbones():
        return {**own, "model": base}
    return own


def prepare_as_saved(backbone: Backbone, directory: Path, about: Mapping[str, Any]) -> None:
    """Let images be prepared as an adapter says, which was trained so; the weights may say something else.

    Args:
        backbone: with the adapter's network; a notice says what differs.
        directory: of the adapter.
        about: its own keys.

    Raises:
        VisionLoraError: no image can be prepared so, or the network does not take images of that size.
    """
    saved, own = about.get("preprocessing"), backbone.preprocessing
    if saved is None:
        return
    key = f"{directory / 'adapter_config.json'}: auto_mapping.visionlora.preprocessing"
    try:
        given = Preprocessing.read(saved)
    except ValueError as error:
        raise VisionLoraError(f"{key}: {error}; leave it as it was saved") from error
    if given == own:
        return
    if given.crop != own.crop:
        what = f"{key}: crop is {given.crop}; {backbone.name} has {own.crop}"
        _require_taken(backbone.model, given.crop, what)
    backbone.preprocessing = given
    differs = [
        f"{name}={brief(value)} (the weights say {brief(getattr(own, name))})"
        for name, value in vars(given).items()
        if value != getattr(own, name)
    ]
    notice = f"images are prepared as the adapter says: {listed(differs, len(differs))}"
    backbone.notice = f"{backbone.notice}; {notice}" if backbone.notice else notice


@torch.no_grad()
def _require_taken(network: nn.Module, side: int, what: str) -> None:
    """Raise where the network does not take images of that many pixels a side."""
    parameter = next(network.parameters())
    try:
        network.eval()(torch.zeros(1, 3, side, side, dtype=parameter.dtype, device=parameter.device))
    except Exception as error:
        raise VisionLoraError(f"{what}, and takes no other ({brief(str(error))})") from error


def has_several_labels(about: Mapping[str, Any]) -> bool:
    """Whether an adapter with these keys of our own gives an image any number of labels."""
    return about.get("task") == MULTI_LABEL


def saved_thresholds(trained: TrainedModel) -> tuple[float, ...]:
    """Of each output, where an image may have several labels; 0.5 where none were chosen. Else none."""
    if not has_several_labels(trained.about):
        return ()
    saved = trained.about.get("thresholds") or {}
    return tuple(float(saved.get(name, 0.5)) for name in trained.head.outputs)


def saved_head(backbone: Backbone, directory: Path, about: Mapping[str, Any]) -> Head:
    """The head with which an adapter was trained, on the network; without class names the network's own.

    Raises:
        VisionLoraError: the network lacks outputs that were trained.
    """
    classes = tuple(about.get("classes", ()))
    if not classes:
        return unchanged_head(backbone)
    try:
        return apply_head(backbone, str(about.get("head")), classes, has_several_labels(about))
    except VisionLoraError as error:
        unknown = error.__cause__
        if not isinstance(unknown, UnknownClass):
            raise
        trained = about.get("weights", "imagenet")
        raise VisionLoraError(
            f"adapter: {directory} does not fit {backbone.name} with weights={backbone.weights}: {unknown}; "
            f"it was trained on weights={trained}"
        ) from error


def unchanged_head(backbone: Backbone) -> Head:
    """The network's own outputs."""
    return Head("keep", "", backbone.categories, tuple(range(len(backbone.categories))))


def no_network_named(directory: Path) -> VisionLoraError:
    """The error of an adapter directory that does not say which network it adapts."""
    return VisionLoraError(
        f"adapter: {directory} does not name the network it adapts; add model=NAME (e.g. model=vgg11)"
    )
