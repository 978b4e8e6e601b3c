"""The three figures of a run that the page shows."""

from __future__ import annotations

from typing import Any

from visionlora.report.metrics_file import SELECTED


def figures(metrics: dict[str, Any]) -> dict[str, Any]:
    """Learned, kept and false positives, each with its interval and number of images; null: not measured."""

    def figure(part: Any, name: str, count: Any) -> dict[str, Any] | None:
        if not isinstance(part, dict) or not isinstance(part.get(name), (int, float)):
            return None
        return {
            "value": part[name], "interval": part.get(f"{name}_interval"), "images": count,
            "selected": part.get(SELECTED, []),
        }  # fmt: skip

    counted = metrics.get("images", {})
    retention, contrast = metrics.get("retention"), metrics.get("contrast")
    test = (metrics.get("test") or {}).get("after")
    kept_name = "after/top1" if isinstance(retention, dict) and retention.get("labelled") else "agreement"
    return {
        "learned": figure(test, "top1", counted.get("test"))
        or figure(metrics.get("folds", metrics.get("after")), "val/top1", counted.get("val")),
        "kept": figure(retention, kept_name, _images(retention)),
        "false_positives": figure(contrast, "after/false_positive_rate", _images(contrast)),
    }


def _images(part: Any) -> int | None:
    return part.get("images") if isinstance(part, dict) else None
