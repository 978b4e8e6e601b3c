"""Tables for the terminal."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table

from visionlora.report.intervals import wilson_interval
from visionlora.report.metrics_file import NOT_MEASURED
from visionlora.report.sheet import Named, PredictionRow


def show(table: RenderableType, console: Console | None = None) -> None:
    """Print a table."""
    (console or Console()).print(table)


def predictions_table(rows: Sequence[PredictionRow]) -> Table:
    """A row an image: its path, what the network says, and what it said where that was asked."""
    compared = any(row.before is not None for row in rows)
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("picture", overflow="fold")
    if compared:
        table.add_column("frozen network")
    table.add_column("now")
    table.add_column("then", style="dim")
    for row in rows:
        before = [_named(row.before[:1]) if row.before else "-"] if compared else []
        table.add_row(escape(str(row.path)), *before, _named(row.after[:1]), _named(row.after[1:]))
    return table


def summary_table(metrics: Mapping[str, Any]) -> Table:
    """What a run changed: new images, old images, contrast images, before and after."""
    table = Table(title=_title(metrics), title_justify="left", header_style="bold")
    for name in ("", "before", "after", "95 % interval"):
        table.add_column(name, justify="left" if not name else "right")
    count = metrics["pictures"]["val"]
    before, after = metrics["before"], metrics["after"]
    for key, name in (("val/top1", "new images, top-1"), ("val/top5", "new images, top-5")):
        table.add_row(name, _share(before[key]), _share(after[key]), _interval(after[key], count))
    table.add_row("new images, loss", f"{before['val/loss']:.3f}", f"{after['val/loss']:.3f}", "")
    retention, contrast = metrics["retention"], metrics["contrast"]
    if retention == NOT_MEASURED:
        table.add_row("what it knew, top-1", NOT_MEASURED, NOT_MEASURED, "", style="yellow")
    else:
        _add_retention(table, retention)
    if contrast == NOT_MEASURED:
        table.add_row("other things called by a new name", NOT_MEASURED, NOT_MEASURED, "", style="yellow")
    else:
        first, last = contrast["before/false_positive_rate"], contrast["after/false_positive_rate"]
        table.add_row(
            "other things called by a new name",
            _share(first),
            _share(last),
            _interval(last, contrast["pictures"]),
        )
    _add_strength(table, metrics["strength"])
    return table


def _add_retention(table: Table, retention: Mapping[str, Any]) -> None:
    count, same = retention["pictures"], retention["agreement"]
    if retention["labelled"]:
        first, last = retention["before/top1"], retention["after/top1"]
        table.add_row("what it knew, top-1", _share(first), _share(last), _interval(last, count))
    else:
        table.add_row("what it knew, top-1 lost (estimate)", "", _share(retention["lost"]), "")
    table.add_row("same answer as before", "", _share(same), _interval(same, count))
    table.add_row("divergence from before, nats", "", _share(retention["divergence"]), "")


def _add_strength(table: Table, strength: Mapping[str, Any]) -> None:
    if strength["curve"]:
        kept = strength["kept"]
        words = "budgets kept" if kept else "budgets NOT KEPT"
        table.add_row("strength", "", f"{strength['chosen']:g}", words, style=None if kept else "bold red")
    else:
        table.add_row("strength", "", "1", "not chosen")


def changes_table(retention: Mapping[str, Any] | str, most: int = 5) -> RenderableType:
    """The old classes that suffered most, and what their images are called now.

    Args:
        retention: of ``metrics.json``.
        most: classes to show.
    """
    if isinstance(retention, str):
        return f"[yellow]which old classes suffered: {retention}[/yellow]"
    changes = retention["changes"]
    if not changes["classes"]:
        return f"no old class suffered: none of {retention['pictures']} images is wrong that was right"
    title = (
        f"{changes['forgotten']} of {retention['pictures']} old images forgotten "
        f"({changes['forgotten_for_a_trained_name']} for a trained name), {changes['gained']} gained"
    )
    table = Table(title=title, title_justify="left", header_style="bold")
    for name in ("old class", "pictures", "before", "after", "95 % interval"):
        table.add_column(name, justify="left" if name == "old class" else "right")
    table.add_column("called now")
    for one in changes["classes"][:most]:
        count, after = one["pictures"], one["after/top1"]
        names = ", ".join(f"{name} {times}" for name, times in list(one["now"].items())[:3])
        table.add_row(
            escape(one["class"]),
            str(count),
            _share(one["before/top1"]),
            _share(after),
            _interval(after, count),
            escape(names),
        )
    if len(changes["classes"]) > most:
        table.caption = f"and {len(changes['classes']) - most} more in metrics.json"
    return table


def evaluation_table(metrics: Mapping[str, Any]) -> Table:
    """The figures of a labelled folder, a row a class."""
    title = (
        f"{metrics['pictures']} images: top-1 {_share(metrics['top1'])} "
        f"({_interval(metrics['top1'], metrics['pictures'])}), top-5 {_share(metrics['top5'])} "
        f"({_interval(metrics['top5'], metrics['pictures'])}), "
        f"calibration error {metrics['calibration_error']:.3f}"
    )
    table = Table(title=title, title_justify="left", header_style="bold", caption=_retained(metrics))
    for name in ("class", "pictures", "frozen top-1", "top-1", "95 % interval"):
        table.add_column(name, justify="left" if name == "class" else "right")
    for name, figures in metrics["per_class"].items():
        count, top1 = figures["pictures"], figures["top1"]
        table.add_row(
            escape(name), str(count), _share(figures["frozen_top1"]), _share(top1), _interval(top1, count)
        )
    return table


def sweep_table(runs: Sequence[tuple[str, Mapping[str, Any]]]) -> Table:
    """A row a run: what was set, and what came of it."""
    table = Table(title=f"{len(runs)} runs", title_justify="left", header_style="bold")
    for name in (
        "run", "val top-1", "95 % interval", "val loss", "strength", "retention lost", "false positives",
        "trainable", "step ms",
    ):  # fmt: skip
        table.add_column(name, justify="left" if name == "run" else "right")
    for overrides, metrics in runs:
        retention, contrast = metrics["retention"], metrics["contrast"]
        lost = retention if retention == NOT_MEASURED else _lost(retention)
        wrong = contrast if contrast == NOT_MEASURED else _share(contrast["after/false_positive_rate"])
        table.add_row(
            escape(overrides),
            _share(metrics["after"]["val/top1"]),
            _interval(metrics["after"]["val/top1"], metrics["pictures"]["val"]),
            f"{metrics['after']['val/loss']:.3f}",
            f"{metrics['strength']['chosen']:g}",
            lost,
            wrong,
            f"{metrics['parameters']['trainable']:,}",
            f"{metrics['time']['step_ms']:.0f}",
        )
    return table


def seeds_table(groups: Sequence[tuple[str, Sequence[Mapping[str, Any]]]]) -> Table:
    """Mean and standard deviation over runs that differ in their seed alone, a row a group."""
    table = Table(title="over seeds: mean ± standard deviation", title_justify="left", header_style="bold")
    for name in ("run", "seeds", "val top-1", "val loss", "strength", "retention lost", "false positives"):
        table.add_column(name, justify="left" if name == "run" else "right")
    for name, runs in groups:
        figures = [
            [run["after"]["val/top1"] for run in runs],
            [run["after"]["val/loss"] for run in runs],
            [run["strength"]["chosen"] for run in runs],
            [run["retention"]["lost"] for run in runs if run["retention"] != NOT_MEASURED],
            [run["contrast"]["after/false_positive_rate"] for run in runs if run["contrast"] != NOT_MEASURED],
        ]
        table.add_row(escape(name), str(len(runs)), *(_spread(values, len(runs)) for values in figures))
    return table


def _spread(values: Sequence[float], runs: int) -> str:
    if len(values) < runs:
        return NOT_MEASURED
    return f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}"


def _title(metrics: Mapping[str, Any]) -> str:
    parameters = metrics["parameters"]
    share = parameters["trainable"] / parameters["total"]
    return (
        f"{metrics['model']['used']}: {parameters['trainable']:,} of {parameters['total']:,} parameters "
        f"trained ({share:.1%}), adapter {parameters['adapter_bytes'] / 1024:.0f} KiB, "
        f"{metrics['steps']} steps of {metrics['time']['step_ms']:.0f} ms"
    )


def _retained(metrics: Mapping[str, Any]) -> str:
    retention, contrast = metrics["retention"], metrics["contrast"]
    kept, wrong = NOT_MEASURED, NOT_MEASURED
    if retention != NOT_MEASURED:
        same, count = retention["agreement"], retention["pictures"]
        kept = f"{_share(same)} ({_interval(same, count)}) the same answer, {_lost(retention)} top-1 lost"
    if contrast != NOT_MEASURED:
        share = contrast["after/false_positive_rate"]
        wrong = f"{_share(share)} ({_interval(share, contrast['pictures'])})"
    return f"what it knew before: {kept}; other things called by a new name: {wrong}"


def _lost(retention: Mapping[str, Any]) -> str:
    return f"{retention['lost']:+.3f}" + ("" if retention["labelled"] else " (estimate)")


def _share(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.3f}"


def _interval(share: float, count: int) -> str:
    low, high = wilson_interval(share, count)
    return f"{low:.2f} to {high:.2f}"


def _named(names: Named) -> str:
    return escape(", ".join(f"{name} {probability:.0%}" for name, probability in names))
