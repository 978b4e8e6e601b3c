"""Several runs side by side: which is the best, as a CSV file and as a page."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visionlora.files import replacing
from visionlora.report.html import page, styles, table, text
from visionlora.report.intervals import wilson_interval
from visionlora.report.learned import learned_in_comparison, number
from visionlora.report.metrics_file import has_several_labels, learned_figure
from visionlora.text import counted, csv_safe

FIGURES = (
    "images", "top-1", "low", "high", "test top-1", "mAP", "test mAP", "loss", "strength", "within budget",
    "old top-1 lost", "false positives", "trained parameters", "step ms", "seconds",
)  # fmt: skip
"""Columns of the figures; ``low`` and ``high`` bound the 95 % interval of top-1. ``mAP``, mean average
precision, is of runs whose images have several labels; they have no top-1."""


MOST_FIRST = 4
"""Options that stand before the figures on the page; of more, the figures stand first."""


@dataclass(frozen=True)
class RunRow:
    """A finished run.

    Attributes:
        name: its folder, or what it is called.
        varied: what it was told and not all runs were, by key.
        metrics: the content of its ``metrics.json``.
    """

    name: str
    varied: Mapping[str, str]
    metrics: Mapping[str, Any]


def best_run(runs: Sequence[Mapping[str, Any]]) -> int | None:
    """The place of the best of several runs, by their metrics.

    Of those that keep their budgets, if any does, it is the one with the highest top-1, cross-validated or on
    its validation images (mean average precision where images have several labels), then the smallest loss.
    None where fewer than two runs have validation images, or they have not learned the same.
    """
    learned = [learned_in_comparison(one) for one in runs]
    if not learned_the_same(runs):
        return None
    measured = [place for place, one in enumerate(learned) if one.after is not None]
    kept = [place for place in measured if runs[place]["strength"].get("kept", True)]
    if len(measured) < 2:
        return None
    return max(
        kept or measured,
        key=lambda place: (learned[place].after or 0.0, -(learned[place].loss or 0.0)),
    )


def is_best_by_loss(runs: Sequence[Mapping[str, Any]], best: int) -> bool:
    """Whether another run has learned as much as the best one, so that the smaller loss decided."""
    kept = runs[best]["strength"].get("kept", True)
    others = [one for one in runs if one["strength"].get("kept", True) or not kept]
    return (
        sum(learned_in_comparison(one).after == learned_in_comparison(runs[best]).after for one in others) > 1
    )


def learned_the_same(runs: Sequence[Mapping[str, Any]]) -> bool:
    """Whether runs have learned the same classes and task, so that their figures can be compared."""
    return len({(learned_figure(one), _classes(one.get("classes"))) for one in runs}) <= 1


def _classes(names: object) -> str:
    """Class names in any order, from an untrusted file too."""
    return repr(sorted(map(str, names)) if isinstance(names, list) else names)


def figures_of(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of a run by column; None where there is none."""
    new, several = learned_in_comparison(metrics), has_several_labels(metrics)
    retention, contrast, test = metrics["retention"], metrics["contrast"], metrics["test"]["after"]
    top1, mean_precision = (None, new.after) if several else (new.after, None)
    tested = {} if isinstance(test, str) else test
    low, high = (None, None) if top1 is None else wilson_interval(min(top1, 1.0), new.images)
    return dict(
        zip(
            FIGURES,
            (
                new.images, top1, low, high, tested.get("top1"), mean_precision, tested.get("map"),
                new.loss, metrics["strength"]["chosen"], metrics["strength"].get("kept"),
                None if isinstance(retention, str) else retention["lost"],
                None if isinstance(contrast, str) else contrast["after/false_positive_rate"],
                metrics["parameters"]["trainable"], number(metrics["time"]["step_ms"]),
                metrics["time"]["total_s"],
            ),
            strict=True,
        )
    )  # fmt: skip


def write_runs_csv(rows: Sequence[RunRow], best: int | None, path: Path) -> None:
    """Write the runs as CSV: name, what varied, ``best``, and ``FIGURES``; what does not exist is empty."""
    keys = varied_keys(rows)
    with replacing(path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["run", *keys, "best", *FIGURES])
        for place, row in enumerate(rows):
            figures = ["" if value is None else value for value in figures_of(row.metrics).values()]
            told = [row.varied.get(key, "") for key in keys]
            writer.writerow([csv_safe(one) for one in (row.name, *told, place == best, *figures)])


def write_runs_page(rows: Sequence[RunRow], best: int | None, title: str, path: Path) -> None:
    """Write the runs as a page with everything in it, the best one first; figures that no run has are left
    out."""
    few = len(keys := varied_keys(rows)) <= MOST_FIRST
    order = sorted(
        range(len(rows)),
        key=lambda place: (place != best, -(learned_in_comparison(rows[place].metrics).after or 0.0)),
    )
    each = [figures_of(row.metrics) for row in rows]
    shown = [name for name in FIGURES if any(figures[name] is not None for figures in each)]
    body = "".join(
        _row(rows[place], keys, [each[place][name] for name in shown], place == best, few) for place in order
    )
    words = "None is marked as the best: fewer than two have validation images, or their classes differ."
    if best is not None:
        kept = each[best]["within budget"]
        among = {
            None: "The",
            True: "Of the runs within their budgets, the",
            False: "No run keeps its budgets; the",
        }
        figure = "mean average precision" if "mAP" in shown else "top-1"
        tie = ", and of those with as much the smallest loss" * is_best_by_loss(
            [row.metrics for row in rows], best
        )
        words = (
            f"{among[kept]} best has the highest {figure} on its validation images{tie}. It was chosen by "
            "these figures, which are therefore a little too good; figures on test images are not."
        )
    words += " Low and high bound the 95 % interval of top-1." * ("low" in shown)
    content = (
        f"<h1><bdi>{text(title)}</bdi></h1><p class=quiet>{counted(len(rows), 'run')}. {words}</p>"
        f"{table(('run', *keys, *shown) if few else ('run', *shown, *keys), body, 'numbers wide')}"
    )
    css = styles("folder_page.css", "run_page.css")
    with replacing(path) as beside:
        beside.write_text(page(text(title), f"{css}main {{ max-width: none; }}", content), encoding="utf-8")


def varied_keys(rows: Sequence[RunRow]) -> list[str]:
    """Everything that some run was told and another was not."""
    return list(dict.fromkeys(key for row in rows for key in row.varied))


def _row(row: RunRow, keys: Sequence[str], values: Sequence[object], best: bool, keys_first: bool) -> str:
    told = "".join(f"<td><bdi>{text(row.varied.get(key, ''))}</bdi></td>" for key in keys)
    figures = "".join(f"<td class=figure>{_shown(value)}</td>" for value in values)
    mark = " <span class=tag>best</span>" if best else ""
    kind = " class=best" if best else ""
    cells = told + figures if keys_first else figures + told
    return f"<tr{kind}><td class=name><bdi>{text(row.name)}</bdi>{mark}</td>{cells}</tr>"


def _shown(value: object) -> str:
    if value is None:
        return "<span class=quiet>-</span>"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
    return text(value)
