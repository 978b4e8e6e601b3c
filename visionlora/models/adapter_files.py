"""Writing an adapter directory of a network, and the options about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from visionlora.adapters import save_adapter
from visionlora.adapters.replaced_tensors import replaced_by_module
from visionlora.errors import VisionLoraError
from visionlora.files import require_writable
from visionlora.models import Backbone, Head


def require_new_folder(output: str) -> Path:
    """The folder as a path; checked before any work.

    Raises:
        VisionLoraError: something is there already, or nothing can be written there.
    """
    folder = Path(output)
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise VisionLoraError(f"output: {folder} exists already and is not empty; give a new folder")
    require_writable(folder / "adapter_config.json", "output")
    return folder


def about_network(backbone: Backbone, head: Head, classes: Sequence[str]) -> dict[str, Any]:
    """What an adapter says about the network that it adapts."""
    return {
        "model": backbone.name,
        "weights": backbone.weights,
        "classes": list(classes),
        "head": head.kind,
        "preprocessing": asdict(backbone.preprocessing),
    }


def whole_modules(network: nn.Module, head: Head) -> list[str]:
    """Modules whose tensors are saved whole: of the head, and those that the adapter replaced."""
    return replaced_by_module(network, head.trained)[0]


def write_directory(
    folder: Path,
    network: nn.Module,
    backbone: Backbone,
    head: Head,
    classes: Sequence[str],
    extra: Mapping[str, Any],
) -> None:
    """Write the active adapters of a network as an adapter directory.

    Args:
        folder: made where it is missing.
        network: adapted.
        backbone: that it was made from.
        head: the meaning of its outputs.
        classes: that were trained.
        extra: further keys.
    """
    save_adapter(
        network,
        folder,
        base_model=backbone.name,
        modules_to_save=whole_modules(network, head),
        extra={**about_network(backbone, head, classes), **extra},
    )
