"""The table of figures of a model card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from visionlora.report.learned import CROSS_VALIDATED
from visionlora.report.metrics_file import (
    NOT_MEASURED,
    SELECTED,
    has_several_labels,
    learned_figure,
    top5_says_nothing,
)
from visionlora.report.selected import selected_words

FIGURES = {
    "top1": "top-1",
    "top5": "top-5",
    "balanced_accuracy": "balanced accuracy",
    "map": "mean average precision",
    "f1": "micro F1",
    "macro_f1": "macro F1",
    "exact": "all labels right",
    "loss": "loss",
}
"""The names of the figures on new images."""


def results_markdown(metrics: Mapping[str, Any]) -> list[str]:
    """The lines of the table of figures; a star marks those of images that chose what is measured.

    Args:
        metrics: the content of ``metrics.json``.
    """
    fitted = metrics["cross_fitted"]
    crossed: Mapping[str, Any] = {} if isinstance(fitted, str) else fitted
    header = ["images", "figure", "before", "after", *(["cross-fitted"] if crossed else [])]
    rows = _new(metrics, crossed)
    if not has_several_labels(metrics):
        rows += [*_retention(metrics, crossed), *_contrast(metrics, crossed)]
    lines = [f"| {' | '.join(row[: len(header)])} |" for row in (header, ["---"] * len(header), *rows)]
    chosen = selected_words(metrics)
    if chosen:
        also = " Cross-fitted: each half of the images, with what the other half chose." if crossed else ""
        lines += ["", f"\\* {chosen}.{also}"]
    return lines


def _new(metrics: Mapping[str, Any], crossed: Mapping[str, Any]) -> list[list[str]]:
    before, after = metrics["before"], metrics["after"]
    count = metrics["images"]["val"] or "no"
    kind = "training" if "folds" in metrics else "validation"
    fitted = crossed.get("validation", NOT_MEASURED)
    rows = _reported(metrics)
    for key, name in FIGURES.items():
        if f"val/{key}" in after and not (key == "top5" and top5_says_nothing(metrics)):
            first = share(before, f"val/{key}") if f"val/{key}" in before else NOT_MEASURED
            rows.append([
                f"{count} {kind}", name, first, _starred(after, f"val/{key}"),
                "" if isinstance(fitted, str) or key not in fitted else share(fitted, key),
            ])  # fmt: skip
    return rows


def _reported(metrics: Mapping[str, Any]) -> list[list[str]]:
    """What is reported first: figures on images that chose nothing."""
    before, test = metrics["before"], metrics["test"]
    rows = []
    if not isinstance(test["after"], str):
        for key in (learned_figure(metrics)[0], "balanced_accuracy"):
            if key in test["after"]:
                first = NOT_MEASURED if isinstance(test["before"], str) else share(test["before"], key)
                count = f"{test['after']['images']} test"
                rows.append([count, FIGURES[key], first, share(test["after"], key), ""])
    if "folds" in metrics:
        first, last = share(before, "val/top1"), share(metrics["folds"], "val/top1")
        rows.append([f"{metrics['images']['val']} {CROSS_VALIDATED}", "top-1", first, last, ""])
    return rows


def _retention(metrics: Mapping[str, Any], crossed: Mapping[str, Any]) -> list[list[str]]:
    retention, fitted = metrics["retention"], crossed.get("retention", NOT_MEASURED)
    if retention == NOT_MEASURED:
        return [["old (retention)", "top-1", NOT_MEASURED, NOT_MEASURED, ""]]
    kind = f"{retention['images']} old (retention)"
    if retention["labelled"]:
        other = "" if isinstance(fitted, str) else share(fitted, "after/top1")
        first = [kind, "top-1", share(retention, "before/top1"), _starred(retention, "after/top1"), other]
    else:
        other = "" if isinstance(fitted, str) else share(fitted, "lost")
        first = [kind, "top-1 lost, estimated", "", _starred(retention, "lost"), other]
    return [first, [kind, "same prediction as before", "", _starred(retention, "agreement"), ""]]


def _contrast(metrics: Mapping[str, Any], crossed: Mapping[str, Any]) -> list[list[str]]:
    contrast, fitted = metrics["contrast"], crossed.get("contrast", NOT_MEASURED)
    if contrast == NOT_MEASURED:
        return [["others (contrast)", "false-positive rate", NOT_MEASURED, NOT_MEASURED, ""]]
    before, after = "before/false_positive_rate", "after/false_positive_rate"
    other = "" if isinstance(fitted, str) else share(fitted, after)
    kind = f"{contrast['images']} others (contrast)"
    return [[kind, "false-positive rate", share(contrast, before), _starred(contrast, after), other]]


def _starred(figures: Mapping[str, Any], key: str) -> str:
    """A figure with its interval, and a star where its images chose something."""
    return share(figures, key) + ("\\*" if figures[SELECTED] else "")


def share(figures: Mapping[str, Any], key: str) -> str:
    """A figure, with its 95 % interval if it has one."""
    if isinstance(figures[key], str):
        return figures[key]
    interval = figures.get(f"{key}_interval")
    return f"{figures[key]:.3f}" + (f" ({interval[0]:.2f} to {interval[1]:.2f})" if interval else "")
