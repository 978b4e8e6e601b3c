"""What is known of networks without loading them, and without PyTorch, which takes seconds to import."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import safe_open

from visionlora.data.images.preprocessing import Preprocessing
from visionlora.models.classes import imagenet_categories, imagenet_wnids
from visionlora.paths import shipped

AUTO = "auto"
AUTO_CHOICE = "vgg19"
POCKET = "pocket"
POCKET_FILE = Path(__file__).with_name("pocket.safetensors")
PHOTO_LIKE = shipped("data/pocket_photos")
"""Rendered images that look like photos: pocket's anchors, and in a folder of their own its validation
images. Any other network that learns many classes has both as anchors where there are no photos."""


def known_outputs(name: str, weights: str) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """Names and WordNet ids of the outputs; None where a network or a file must be asked.

    Args:
        name: of a network.
        weights: as for :func:`visionlora.models.load_backbone`.
    """
    if weights not in ("imagenet", "none"):
        return None
    if name == AUTO:
        return imagenet_categories(), imagenet_wnids()
    if name == POCKET:
        about = _about_pocket()
        return tuple(json.loads(about["categories"])), tuple(json.loads(about["wnids"]))
    return None


def pocket_preprocessing() -> Preprocessing:
    """What pocket takes."""
    return Preprocessing.read(json.loads(_about_pocket()["preprocessing"]))


def _about_pocket() -> dict[str, str]:
    with safe_open(POCKET_FILE, "numpy") as file:
        about: dict[str, str] = file.metadata()
    return about
