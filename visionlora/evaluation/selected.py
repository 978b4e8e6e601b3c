"""What images have chosen in the run of an adapter that is now measured on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from visionlora.data import ImageFile
from visionlora.data.splits.manifest import read_manifest, without_used
from visionlora.models.restore import adapter_directory
from visionlora.report.metrics_file import SELECTED, UNKNOWN, read_metrics

SECTIONS = {"val": "after", "retention": "retention", "contrast": "contrast"}
"""The section of a run's ``metrics.json`` with the figures of the images of a role."""

TRAINED_ON = ("train", "anchor", "negative")
"""The roles of the images that a run's steps see."""


def selected_on(adapters: Sequence[str], images: Sequence[ImageFile], role: str) -> list[str]:
    """What these images, by their content, chose in the adapters' runs; "not known" without their manifests.

    Args:
        adapters: run folders or adapter directories.
        images: that are measured on.
        role: what they would have been for: val, retention or contrast.
    """
    return list(dict.fromkeys(one for adapter in adapters for one in _selected_on(adapter, images, role)))


def _selected_on(adapter: str, images: Sequence[ImageFile], role: str) -> list[str]:
    run = adapter_directory(adapter).parent
    if not (run / "images.json").is_file():
        return [UNKNOWN]
    used = read_manifest(run / "images.json")

    def among(name: str) -> bool:
        return len(without_used(images, [one for one in used if one.role == name])) < len(images)

    trained = ["trained on"] if any(map(among, TRAINED_ON)) else []
    return [*trained, *(_chosen(run / "metrics.json", role) if among(role) else [])]


def _chosen(path: Path, role: str) -> list[str]:
    """From the run's metrics; where they are missing, whatever such images may have chosen."""
    section = read_metrics(path).get(SECTIONS[role]) if path.is_file() else None
    chosen = section.get(SELECTED) if isinstance(section, dict) else None
    if isinstance(chosen, list):
        return [str(one) for one in chosen]
    return ["checkpoint", "weights", "strength"] if role == "val" else ["weights", "strength"]
