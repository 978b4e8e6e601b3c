"""The figures of one run, and pictures to put on sheets."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

METRICS: dict[str, Any] = {
    "model": {"asked": "auto", "used": "vgg19", "weights": "imagenet"},
    "classes": ["goldfish"],
    "head": "keep",
    "notices": [],
    "parameters": {"total": 1_000_000, "trainable": 25_000, "adapter_bytes": 102_400},
    "pictures": {"train": 5, "val": 10, "anchors": 60},
    "before": {"val/top1": 0.1, "val/top5": 0.4, "val/loss": 4.125},
    "after": {"val/top1": 1.0, "val/top5": 1.0, "val/loss": 0.25},
    "retention": {"before/top1": 0.75, "after/top1": 0.74, "agreement": 0.91, "pictures": 100},
    "contrast": {
        "before/false_positive_rate": 0.0,
        "after/false_positive_rate": 0.05,
        "pictures": 40,
    },
    "time": {"setup_s": 2.0, "fit_s": 40.0, "step_ms": 250.0, "images_per_s": 32.0},
    "steps": 60,
    "seed": 0,
}


@pytest.fixture
def metrics() -> dict[str, Any]:
    """What a finished run measured."""
    return copy.deepcopy(METRICS)


@pytest.fixture
def unmeasured(metrics: dict[str, Any]) -> dict[str, Any]:
    """The same without old and contrast pictures."""
    return {**metrics, "retention": "not measured", "contrast": "not measured"}


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A wide blue picture with a red right half."""
    image = Image.new("RGB", (80, 40), (20, 40, 220))
    image.paste((230, 30, 20), (40, 0, 80, 40))
    path = tmp_path / "picture.png"
    image.save(path)
    return path
