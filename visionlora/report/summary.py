"""The table that a run ends with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from visionlora.plain_table import plain_table
from visionlora.report.intervals import shown_interval, shown_share
from visionlora.report.learned import CROSS_VALIDATED
from visionlora.report.metrics_file import NOT_MEASURED, SELECTED, has_several_labels, top5_says_nothing
from visionlora.report.selected import selected_words
from visionlora.text import counted, percent

_Row = tuple[str, str, str, str, str, str, str | None]
"""Which images, the figure, before, after, interval, cross-fitted figure, and the style."""


def summary_table(metrics: Mapping[str, Any]) -> RenderableType:
    """The figures of a run, before and after training, on new, old and contrast images.

    A star marks figures of images that chose what is measured; beside them stands the figure where each half
    of the images is predicted with what the other half chose. A cross-validated run has been trained on the
    images that it validates on, so what the runs of its folds found stands above them.
    """
    fitted = metrics["cross_fitted"]
    crossed: Mapping[str, Any] = {} if isinstance(fitted, str) else fitted
    # Without lines between the columns it fits 80 characters.
    table = plain_table(gap=1 if crossed else 2)
    names = ("images", "figure", "before", "after", "95 % interval", "cross-fitted")
    for place, name in enumerate(names if crossed else names[:-1]):
        table.add_column(name, justify="left" if place < 2 else "right")
    for *row, style in (*_new_rows(metrics, crossed), *_old_rows(metrics, crossed), _strength_row(metrics)):
        table.add_row(*row[: len(table.columns)], style=style)
    lines: list[RenderableType] = [Text(_title(metrics), style="italic"), table]
    if chosen := selected_words(metrics):
        halves = "; cross-fitted: each half with what the other half chose" if crossed else ""
        lines.append(Text(f"* {chosen}{halves}", style="dim italic"))
    return Group(*lines)


def _new_rows(metrics: Mapping[str, Any], crossed: Mapping[str, Any]) -> list[_Row]:
    rows: list[_Row] = []
    count = metrics["images"]["val"]
    before, after, test = metrics["before"], metrics["after"], metrics["test"]
    star = "*" if after[SELECTED] else ""
    fitted = crossed.get("validation", NOT_MEASURED)
    trained = "training" if "folds" in metrics else "validation"
    for key, name in (
        ("top1", "top-1"), ("balanced_accuracy", "balanced accuracy"), ("map", "mean AP"),
        ("f1", "micro F1"), ("macro_f1", "macro F1"), ("exact", "all labels right"),
    ):  # fmt: skip
        if isinstance(test["after"], str) or key not in test["after"]:
            continue
        first = NOT_MEASURED if isinstance(test["before"], str) else shown_share(test["before"].get(key, ""))
        value, images = test["after"][key], test["after"]["images"]
        interval = shown_interval(value, images) if key in ("top1", "exact") else ""
        rows.append((f"{images:,} test", name, first, shown_share(value), interval, "", "bold"))
    if "folds" in metrics:
        share, interval = metrics["folds"]["val/top1"], shown_interval(metrics["folds"]["val/top1"], count)
        first = shown_share(before["val/top1"])
        kind = f"{count:,} {CROSS_VALIDATED}"
        rows.append((kind, "top-1", first, shown_share(share), interval, "", "bold"))
    for key, name in (
        ("top1", "top-1"), ("top5", "top-5"), ("balanced_accuracy", "balanced accuracy"),
        ("map", "mean AP"), ("f1", "micro F1"), ("macro_f1", "macro F1"),
        ("exact", "all labels right"), ("loss", "loss"),
    ):  # fmt: skip
        value = after.get(f"val/{key}")
        if value is None or (key == "top5" and top5_says_nothing(metrics)):
            continue
        interval = shown_interval(value, count) if key in ("top1", "top5", "exact") else ""
        other = "" if isinstance(fitted, str) else shown_share(fitted.get(key, ""))
        first = shown_share(before.get(f"val/{key}", NOT_MEASURED))
        rows.append(
            (
                f"{count:,} {trained}",
                name,
                first,
                shown_share(value) + star,
                interval,
                other,
                None,
            )
        )
    return rows


def _old_rows(metrics: Mapping[str, Any], crossed: Mapping[str, Any]) -> list[_Row]:
    rows: list[_Row] = []
    retention, contrast = metrics["retention"], metrics["contrast"]
    if has_several_labels(metrics):  # a new head has nothing to forget
        return rows
    if retention == NOT_MEASURED:
        rows.append(("no old", "top-1", "", NOT_MEASURED, "", "", "yellow"))
    else:
        rows += _retention_rows(retention, crossed.get("retention", NOT_MEASURED))
    name = "false-positive rate"
    if contrast == NOT_MEASURED:
        return [*rows, ("no contrast", name, "", NOT_MEASURED, "", "", "yellow")]
    first, last = contrast["before/false_positive_rate"], contrast["after/false_positive_rate"]
    count, fitted = contrast["images"], crossed.get("contrast", NOT_MEASURED)
    other = "" if isinstance(fitted, str) else shown_share(fitted["after/false_positive_rate"])
    star = "*" if contrast[SELECTED] else ""
    row = (
        f"{count:,} contrast",
        name,
        shown_share(first),
        shown_share(last) + star,
        shown_interval(last, count),
        other,
        None,
    )
    return [*rows, row]


def _retention_rows(retention: Mapping[str, Any], fitted: Mapping[str, Any] | str) -> list[_Row]:
    count, same = retention["images"], retention["agreement"]
    images, star = f"{count:,} old", "*" if retention[SELECTED] else ""
    rows: list[_Row] = []
    if retention["labelled"]:
        first, last = retention["before/top1"], retention["after/top1"]
        other = "" if isinstance(fitted, str) else shown_share(fitted["after/top1"])
        interval = shown_interval(last, count)
        rows.append((images, "top-1", shown_share(first), shown_share(last) + star, interval, other, None))
    else:
        other = "" if isinstance(fitted, str) else shown_share(fitted["lost"])
        rows.append(
            (images, "top-1 lost (estimate)", "", shown_share(retention["lost"]) + star, "", other, None)
        )
    kept = shown_share(same) + star
    rows.append((images, "same prediction", "", kept, shown_interval(same, count), "", None))
    divergence = shown_share(retention["divergence"]) + star
    return [*rows, (images, "KL divergence, nats", "", divergence, "", "", None)]


def _strength_row(metrics: Mapping[str, Any]) -> _Row:
    strength = metrics["strength"]
    if not strength["curve"]:
        return "", "strength", "", "1", "not chosen", "", None
    kept = strength["kept"]
    words, style = ("within budget", None) if kept else ("OVER BUDGET", "bold red")
    if strength["plausibly_kept"] and not kept:
        words, style = "near budget", "yellow"
    return "", "strength", "", f"{strength['chosen']:g}", words, "", style


def _title(metrics: Mapping[str, Any]) -> str:
    parameters = metrics["parameters"]
    share = parameters["trainable"] / parameters["total"]
    step = metrics["time"]["step_ms"]
    return (
        f"{metrics['model']['used']}: {parameters['trainable']:,} of {parameters['total']:,} parameters "
        f"trained ({percent(share, 1)}), adapter {parameters['adapter_bytes'] / 1024:,.0f} KiB, "
        f"{counted(metrics['steps'], 'step')}{'' if isinstance(step, str) else f' of {step:.0f} ms'}"
    )
