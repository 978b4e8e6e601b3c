"""Tables for the terminal."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from visionlora.plain_table import USUAL_WIDTH, plain_table
from visionlora.report.intervals import shown_interval, shown_share
from visionlora.report.learned import learned_in_comparison
from visionlora.report.metrics_file import NOT_MEASURED, SELECTED, UNKNOWN, has_several_labels, learned_figure
from visionlora.report.prediction_text import PredictionText
from visionlora.report.runs import best_run, is_best_by_loss, learned_the_same
from visionlora.report.selected import selected_clause, selected_of_runs
from visionlora.report.sheet import PredictionRow, TopNames
from visionlora.text import counted, for_terminal, percent

_PATH_WIDTH = 34
"""Characters of a path that stand in one line in a table of predictions, if that has three columns."""


def predictions_table(
    rows: Sequence[PredictionRow], several: bool = False, width: int = USUAL_WIDTH
) -> Table:
    """One row per image: its path, the most probable class, the next ones, and the frozen network's class.

    The column for the frozen network is there only if some row has its prediction.

    Args:
        rows: one for each image.
        several: the first name is all labels of the image, and there are no others.
        width: of the terminal, in letters.
    """
    compared = any(row.before is not None for row in rows)
    table = plain_table()
    # A file name is broken only where it is long: predictions can be read in several lines.
    longest = max((len(for_terminal(row.path)) for row in rows), default=0)
    # In a narrow terminal a path of that width would leave none for the predictions.
    usual = 0 if compared or width < USUAL_WIDTH else _PATH_WIDTH
    table.add_column("image", overflow="fold", min_width=min(longest, usual))
    if compared:
        table.add_column("frozen network, top-1", overflow="fold")
    table.add_column("labels, the lowest probability" if several else "top-1 prediction", overflow="fold")
    table.add_column("" if several else "next predictions", style="dim", overflow="fold")
    for row in rows:
        before = [_prediction(row.before[:1]) if row.before else Text("-")] if compared else []
        table.add_row(_text(row.path), *before, _prediction(row.after[:1]), _prediction(row.after[1:]))
    return table


def changes_table(retention: Mapping[str, Any], most: int = 5) -> RenderableType:
    """The old classes with the most forgotten images, and the new predictions for these images.

    Args:
        retention: from ``metrics.json``, where it was measured.
        most: number of classes to show.
    """
    changes = retention["changes"]
    if not changes["classes"]:
        return f"no old image was forgotten, of {retention['images']}"
    title = (
        f"{changes['forgotten']} of {retention['images']} old images forgotten "
        f"({changes['forgotten_for_a_trained_name']} as a trained class), {changes['gained']} gained"
    )
    table = plain_table(title)
    for name in ("old class", "images", "top-1 before", "top-1 after", "95 % interval"):
        table.add_column(name, justify="left" if name == "old class" else "right")
    table.add_column("predicted now")
    for one in changes["classes"][:most]:
        count, after = one["images"], one["after/top1"]
        names = ", ".join(f"{name} {times}" for name, times in list(one["now"].items())[:3])
        table.add_row(
            _text(one["class"]),
            str(count),
            shown_share(one["before/top1"]),
            shown_share(after),
            shown_interval(after, count),
            _text(names),
        )
    if len(changes["classes"]) > most:
        table.caption = f"and {len(changes['classes']) - most} more in metrics.json"
    return table


def earlier_table(earlier: Mapping[str, Any]) -> Table:
    """What was kept of each class that an earlier run learned, one row a class.

    Args:
        earlier: from ``metrics.json``.
    """
    lost = earlier["lost"] if isinstance(earlier["lost"], str) else f"{earlier['lost']:+.3f}"
    title = f"classes of earlier runs; the original network's top-1 lost by all runs: {lost}"
    table = plain_table(title)
    for name in ("class", "images", "top-1 when learned", "before", "after", "95 % interval", "kept"):
        table.add_column(name, justify="left" if name == "class" else "right")
    for one in earlier["classes"]:
        count, kept = one["images"], one["kept"]
        shares = [shown_share(one[key]) for key in ("learned", "before/top1", "after/top1")]
        interval = shown_interval(one["after/top1"], count)
        kept = kept if isinstance(kept, str) else percent(kept)
        table.add_row(_text(one["class"]), str(count), *shares, interval, kept)
    return table


def evaluation_table(metrics: Mapping[str, Any], outputs: int) -> RenderableType:
    """The figures of a labelled folder, one row per class.

    Args:
        metrics: what was measured.
        outputs: of the network; where they are at most five, top-5 says nothing.
    """
    totals = {"top-1": metrics["top1"], "top-5": metrics["top5"]}
    if outputs <= 5:
        del totals["top-5"]
    count = metrics["images"]
    shares = ", ".join(
        f"{name} {shown_share(one)} ({shown_interval(one, count)})" for name, one in totals.items()
    )
    error = f"calibration error {metrics['calibration_error']:.3f}"
    title = f"{counted(count, 'image')}: {shares}, {error}"
    table = plain_table()
    for name in ("class", "images", "frozen network, top-1", "top-1", "95 % interval"):
        table.add_column(name, justify="left" if name == "class" else "right")
    for name, figures in metrics["per_class"].items():
        count, top1 = figures["images"], figures["top1"]
        table.add_row(
            _text(name),
            str(count),
            shown_share(figures["frozen_top1"]),
            shown_share(top1),
            shown_interval(top1, count),
        )
    return Group(Text(title, style="italic"), table, Text(_retained(metrics), style="dim italic"))


def sweep_table(runs: Sequence[tuple[str, Mapping[str, Any]]]) -> Table:
    """One row per run: its overrides and its figures; the best one is bold.

    A figure that no run has measured is named below the table, so that the others fit 80 characters.
    """
    best = best_run([metrics for _, metrics in runs])
    figures = {learned_figure(metrics): None for _, metrics in runs}
    names = " or ".join(name for _, name in figures)
    crossed = " or cross-validated" if any("folds" in metrics for _, metrics in runs) else ""
    table = plain_table(
        f"{counted(len(runs), 'run')}; {names} and loss on their validation images{crossed}", gap=1
    )
    table.add_column("run", overflow="fold", min_width=12)
    cells = [_sweep_cells(metrics) for _, metrics in runs]
    missing = [name for name in _MAY_MISS if all(row[name] == NOT_MEASURED for row in cells)]
    shown = [name for name in cells[0] if name not in missing] if cells else []
    for name in shown:
        head = "learned" if name == "top-1" and names != name else name
        # Two lines of "not measured", or the figures of the last column would be cut at 80 characters.
        most = len("(estimate)") if name in _MAY_MISS else None
        table.add_column(head, justify="right", no_wrap=most is None, max_width=most)
    for place, ((overrides, _), row) in enumerate(zip(runs, cells, strict=True)):
        mark, style = ("* ", "bold") if place == best else ("", None)
        table.add_row(_text(f"{mark}{overrides}"), *(row[name] for name in shown), style=style)
    table.caption = _sweep_caption([metrics for _, metrics in runs], best, names, missing)
    return table


_MAY_MISS = {"lost": "top-1 lost on old images", "false pos.": "false positives"}
"""Columns for which a run may have no images, and their names in a sentence."""


def _sweep_cells(metrics: Mapping[str, Any]) -> dict[str, str]:
    """A run's figures by column."""
    new, retention, contrast = learned_in_comparison(metrics), metrics["retention"], metrics["contrast"]
    without = new.after is None or has_several_labels(metrics)
    return {
        "top-1": _figure(new.after),
        "95 % interval": "" if without else shown_interval(new.after or 0.0, new.images),
        "loss": _figure(new.loss),
        "strength": f"{metrics['strength']['chosen']:g}",
        "lost": retention if retention == NOT_MEASURED else _lost(retention),
        "false pos.": (
            contrast if contrast == NOT_MEASURED else shown_share(contrast["after/false_positive_rate"])
        ),
        "trained": f"{metrics['parameters']['trainable']:,}",
    }


def _sweep_caption(
    runs: Sequence[Mapping[str, Any]], best: int | None, names: str, missing: Sequence[str]
) -> str | None:
    """Why one run is marked, what their images chose, and what was not measured."""
    parts = []
    if best is not None:
        budgets = {None: "", True: " within the budgets", False: "; no run keeps its budgets"}
        within = budgets[runs[best]["strength"].get("kept")]
        tie = ", then smallest loss" * is_best_by_loss(runs, best)
        parts.append(f"* the best: highest {names}{tie}{within}")
    elif not learned_the_same(runs):
        parts.append("none is marked as the best: they learned different classes")
    if words := selected_of_runs(runs):
        parts.append(words)
    if missing:
        parts.append(f"not measured: {', '.join(_MAY_MISS[name] for name in missing)}")
    return "; ".join(parts) or None


def seeds_table(groups: Sequence[tuple[str, Sequence[Mapping[str, Any]]]]) -> Table:
    """Mean and standard deviation over runs that differ only in the seed, one row per group."""
    table = plain_table("mean ± standard deviation over seeds")
    names = " or ".join({learned_figure(run)[1]: None for _, runs in groups for run in runs})
    cells = [_seed_cells(runs, names) for _, runs in groups]
    missing = [name for name in _MAY_MISS if all(row[name] == NOT_MEASURED for row in cells)]
    shown = [name for name in cells[0] if name not in missing]
    table.add_column("run", overflow="fold", min_width=12)
    for name in ("seeds", *shown):
        table.add_column(name, justify="right")
    for (name, runs), row in zip(groups, cells, strict=True):
        table.add_row(_text(name), str(len(runs)), *(row[column] for column in shown))
    words = [selected_of_runs([run for _, runs in groups for run in runs])]
    words += [f"not measured: {', '.join(_MAY_MISS[name] for name in missing)}"] if missing else []
    table.caption = "; ".join(filter(None, words)) or None
    return table


def _seed_cells(runs: Sequence[Mapping[str, Any]], names: str) -> dict[str, str]:
    """The figures of runs that differ only in the seed, by column."""
    learned = [learned_in_comparison(run) for run in runs]
    old, negatives = [run["retention"] for run in runs], [run["contrast"] for run in runs]
    values = {
        names: [new.after for new in learned if new.after is not None],
        "loss": [new.loss for new in learned if new.loss is not None],
        "strength": [run["strength"]["chosen"] for run in runs],
        "lost": [one["lost"] for one in old if one != NOT_MEASURED],
        "false pos.": [one["after/false_positive_rate"] for one in negatives if one != NOT_MEASURED],
    }
    return {name: _spread(found, len(runs)) for name, found in values.items()}


def _figure(value: float | None) -> str:
    return NOT_MEASURED if value is None else shown_share(value)


def _spread(values: Sequence[float], runs: int) -> str:
    if len(values) < runs:
        return NOT_MEASURED
    return f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}"


def _retained(metrics: Mapping[str, Any]) -> str:
    """Old and contrast images in words, and what any of the images chose in the adapter's run."""
    retention, contrast = metrics["retention"], metrics["contrast"]
    kept, wrong = NOT_MEASURED, NOT_MEASURED
    if retention != NOT_MEASURED:
        same, count = retention["agreement"], retention["images"]
        kept = f"{shown_share(same)} ({shown_interval(same, count)}) same prediction, "
        kept += f"{_lost(retention)} top-1 lost{_mark(retention)}"
    if contrast != NOT_MEASURED:
        share = contrast["after/false_positive_rate"]
        wrong = f"{shown_share(share)} ({shown_interval(share, contrast['images'])}){_mark(contrast)}"
    new = _mark(metrics)
    return f"old images: {kept}; contrast images, false-positive rate: {wrong}" + (
        f"; top-1{new}" if new else ""
    )


def _mark(figures: Mapping[str, Any]) -> str:
    chosen = figures[SELECTED]
    if list(chosen) == [UNKNOWN]:
        return " (whether these images chose anything is not known)"
    return f" ({selected_clause(chosen)})" if chosen else ""


def _lost(retention: Mapping[str, Any]) -> str:
    return f"{retention['lost']:+.3f}" + ("" if retention["labelled"] else " (estimate)")


def _prediction(names: TopNames) -> Text:
    return PredictionText(
        for_terminal(", ".join(f"{name} {percent(probability)}" for name, probability in names))
    )


def _text(name: object) -> Text:
    """A name as rich text, without markup or emoji codes; control characters become escapes."""
    return Text(for_terminal(name))
