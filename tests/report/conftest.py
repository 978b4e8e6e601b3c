"""The metrics of one run, and an image for sheets."""

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
    "images": {"train": 5, "val": 10, "test": 0, "anchors": 60},
    "before": {"val/top1": 0.1, "val/top5": 0.4, "val/loss": 4.125},
    "after": {
        "val/top1": 1.0,
        "val/top5": 1.0,
        "val/loss": 0.25,
        "selected_on_these_images": ["checkpoint", "weights", "strength"],
    },
    "test": {"before": "not measured", "after": "not measured"},
    "cross_fitted": {
        "chosen": [{"candidate": "best", "strength": 0.7}, {"candidate": "average", "strength": 0.9}],
        "validation": {
            "images": 10,
            "top1": 0.9,
            "top5": 1.0,
            "loss": 0.3,
            "selected_on_these_images": ["checkpoint"],
        },
        "retention": {"images": 100, "after/top1": 0.73, "lost": 0.02, "selected_on_these_images": []},
        "contrast": {
            "images": 40,
            "before/false_positive_rate": 0.0,
            "after/false_positive_rate": 0.075,
            "selected_on_these_images": [],
        },
    },
    "retention": {
        "labelled": True,
        "before/top1": 0.75,
        "after/top1": 0.74,
        "lost": 0.01,
        "estimated_lost": 0.02,
        "agreement": 0.91,
        "divergence": 0.125,
        "images": 100,
        "selected_on_these_images": ["weights", "strength"],
        "changes": {
            "forgotten": 3,
            "gained": 2,
            "forgotten_for_a_trained_name": 1,
            "classes": [
                {"class": name, "images": 4, "before/top1": 0.75, "after/top1": 0.5, "now": {"goldfish": 1}}
                for name in ("yawl", "coho", "tench")
            ],
        },
    },
    "contrast": {
        "before/false_positive_rate": 0.0,
        "after/false_positive_rate": 0.05,
        "images": 40,
        "selected_on_these_images": ["weights", "strength"],
    },
    "candidates": {"best": 0.2, "average": 0.21, "taken": "average"},
    "strength": {
        "chosen": 0.8,
        "budget": {"retention": 0.01, "contrast": 0.05},
        "allowed": {"retention": 0.013334, "contrast": 0.05},
        "plausible": {"retention": 0.0295, "contrast": 0.1175},
        "kept": True,
        "plausibly_kept": True,
        "passes": 3,
        "learned_on": "10 validation images",
        "judged_on": "100 retention images",
        "called_on": "40 contrast images",
        "curve": [
            {"strength": strength, "measured": measured, "val/top1": top1, "lost": lost, **contrast}
            for strength, measured, top1, lost, contrast in (
                (0.0, True, 0.1, 0.0, {}),
                (0.4, False, 0.5, 0.0, {"contrast/false_positive_rate": 0.0}),
                (0.8, True, 1.0, 0.01, {"contrast/false_positive_rate": 0.05}),
                (1.0, True, 1.0, 0.03, {"contrast/false_positive_rate": 0.1}),
            )
        ],
    },
    "time": {
        "setup_s": 2.0,
        "generated_s": 3.0,
        "teacher_s": 4.0,
        "steps_s": 40.0,
        "validation_s": 5.0,
        "selection_s": 6.0,
        "writing_s": 7.0,
        "total_s": 67.0,
        "core_s": 120.0,
        "step_ms": 250.0,
        "images_per_s": 32.0,
    },
    "steps": 60,
    "seed": 0,
}


@pytest.fixture
def metrics() -> dict[str, Any]:
    """The metrics of a finished run."""
    return copy.deepcopy(METRICS)


@pytest.fixture
def unmeasured(metrics: dict[str, Any]) -> dict[str, Any]:
    """The same without old and contrast images, and without a chosen strength."""
    strength = {
        "chosen": 1.0,
        "budget": {"retention": 0.01, "contrast": 0.05},
        "learned_on": "not measured",
        "judged_on": "not measured",
        "called_on": "not measured",
        "reason": "no anchors",
        "curve": [],
        "selected_on_these_images": [],
    }
    missing = dict.fromkeys(("retention", "contrast", "cross_fitted"), "not measured")
    return {**metrics, **missing, "strength": strength}


@pytest.fixture
def unlabelled(metrics: dict[str, Any]) -> dict[str, Any]:
    """The same with unlabelled old images."""
    kept = {
        key: value for key, value in metrics["retention"].items() if key not in ("before/top1", "after/top1")
    }
    return {**metrics, "retention": {**kept, "labelled": False, "lost": 0.02}}


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A wide blue image with a red right half."""
    image = Image.new("RGB", (80, 40), (20, 40, 220))
    image.paste((230, 30, 20), (40, 0, 80, 40))
    path = tmp_path / "image.png"
    image.save(path)
    return path
