"""An adapter directory with everything that is needed to use it again."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from visionlora.adapters import save_adapter
from visionlora.frozen.growth import growths
from visionlora.models.adapted import AdaptedNetwork
from visionlora.models.quantise import write_corrections
from visionlora.tasks.base import Task


def write_adapter(directory: Path, adapted: AdaptedNetwork, task: Task) -> None:
    """Write the adapter with everything that is needed to load it again.

    Args:
        directory: of the adapter.
        adapted: the network, with the adapter at its strength.
        task: what it was trained for.
    """
    backbone, delivered = adapted.backbone, adapted.delivered()
    about: dict[str, Any] = {
        "model": backbone.name,
        "weights": backbone.weights,
        "classes": list(delivered.classes),
        "head": delivered.head.kind,
        "preprocessing": asdict(backbone.preprocessing),
        **task.about(delivered.head.outputs),
    }
    grown = growths(delivered.network)
    if grown:
        strength = next(iter(grown.values())).gate.strength
        about |= {"expand": [name.removesuffix(".growth") for name in grown], "expand_strength": strength}
    if adapted.quantised is not None:
        about["quantise"] = adapted.quantised.as_metadata
    write_corrections(directory, adapted.quantised)
    save_adapter(
        delivered.network,
        directory,
        base_model=backbone.name,
        fingerprint=delivered.fingerprint,
        modules_to_save=(*delivered.head.trained, *grown),
        extra=about,
    )
