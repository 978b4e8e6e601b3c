"""A trained network again, from its adapter directory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from visionlora.adapters import load_adapter, merge, read_adapter_config
from visionlora.errors import VisionLoraError
from visionlora.models import Backbone, Head, apply_head, load_backbone, plain_head


@dataclass(frozen=True)
class Restored:
    """An adapted network in eval mode, with what its adapter says about it.

    Attributes:
        network: adapters attached and loaded.
        backbone: where the network comes from; its categories and preprocessing.
        head: names of the outputs, and which of them were trained.
        classes: names of the trained classes; empty where another library saved the adapter.
        about: our own part of ``adapter_config.json``.
    """

    network: nn.Module
    backbone: Backbone
    head: Head
    classes: tuple[str, ...]
    about: dict[str, Any]


def adapter_directory(path: str | Path) -> Path:
    """``path`` itself, or the adapter of the run folder ``path``.

    Raises:
        VisionLoraError: there is neither.
    """
    folder = Path(path)
    for candidate in (folder / "adapter", folder):
        if (candidate / "adapter_config.json").is_file():
            return candidate
    what = "has no adapter_config.json" if folder.is_dir() else "does not exist"
    raise VisionLoraError(f"adapter: {folder} {what}; give a run folder or an adapter directory")


def restore(path: str | Path, model: str | None = None, weights: str | None = None) -> Restored:
    """Load the network that the adapter at ``path`` belongs to, and the adapter into it.

    Args:
        path: a run folder or an adapter directory.
        model: the network's name; needed only where another library saved the adapter.
        weights: other weights than those the adapter names, for a file that has moved.

    Raises:
        VisionLoraError: no adapter there, or it does not say which network it belongs to.
        visionlora.adapters.LoraError: the adapter does not fit the network.
    """
    directory = adapter_directory(path)
    about = read_adapter_config(directory).get("visionlora", {})
    name = model or about.get("model")
    if not name:
        raise VisionLoraError(
            f"{directory} does not say which network it adapts; add model=NAME (e.g. model=vgg11)"
        )
    backbone = load_backbone(name, weights or about.get("weights", "imagenet"))
    classes = tuple(about.get("classes", ()))
    head = apply_head(backbone, about["head"], classes) if classes else _own_head(backbone)
    network = load_adapter(backbone.model, directory)
    return Restored(network.eval(), backbone, head, classes, about)


def _own_head(backbone: Backbone) -> Head:
    everything = tuple(range(len(backbone.categories)))
    return Head("keep", "", backbone.categories, everything)


def load(path: str | Path, *, model: str | None = None, weights: str | None = None) -> nn.Module:
    """A plain network in eval mode with the adapter at ``path`` merged in, ready to predict.

    Its outputs' names are ``restore(path).head.outputs``, its preprocessing
    ``restore(path).backbone.preprocessing``.

    Args and errors are those of :func:`restore`.
    """
    return plain_head(merge(restore(path, model, weights).network))
