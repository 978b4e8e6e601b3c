"""``metrics.json``: written completely or not at all. ``docs/metrics.md`` describes every key."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from visionlora.errors import VisionLoraError
from visionlora.files import require_regular, write_json

NOT_MEASURED = "not measured"
NO_VALIDATION = "not measured: there are no validation images"
"""The value of figures for which there were no images."""

SELECTED = "selected_on_these_images"
"""The key beside figures that says what the images they were measured on have chosen."""

UNKNOWN = "not known"
"""Its only entry where nobody can tell."""

LEARNED = {"single_label": ("top1", "top-1"), "multi_label": ("map", "mean average precision")}
"""task -> the figure that says how much was learned: its key, and its name."""


def learned_figure(metrics: Mapping[str, Any]) -> tuple[str, str]:
    """The key and the name of the figure that says how much a run learned."""
    return LEARNED["multi_label" if has_several_labels(metrics) else "single_label"]


def has_several_labels(metrics: Mapping[str, Any]) -> bool:
    """Whether images of a run, or of an evaluation, may have several labels."""
    return metrics.get("task") == "multi_label"


def top5_says_nothing(metrics: Mapping[str, Any]) -> bool:
    """Whether every class is among the five most probable ones."""
    return metrics["head"] == "new" and len(metrics["classes"]) <= 5


def write_metrics(path: Path, metrics: Mapping[str, Any]) -> None:
    """Write ``metrics`` as JSON; NaN and infinity become null."""
    write_json(path, _finite(metrics), indent=2)


def read_metrics(path: Path) -> dict[str, Any]:
    """Read a metrics file.

    Raises:
        VisionLoraError: the file cannot be read or is not JSON.
    """
    try:
        require_regular(path)
        metrics = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise VisionLoraError(
            f"{path} is not a readable metrics file ({error}); run the training again"
        ) from error
    if not isinstance(metrics, dict):
        raise VisionLoraError(f"{path} holds a {type(metrics).__name__}, not metrics; run the training again")
    return metrics


def flatten(metrics: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Every number under its path (``after/val/top1``); texts and lists are omitted."""
    flat: dict[str, float] = {}
    for key, value in metrics.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{name}/")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            flat[name] = float(value)
    return flat


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
