"""The figures of each label where an image may have several: a table, Markdown, HTML and a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rich.table import Table
from rich.text import Text

from visionlora.files import replacing
from visionlora.plain_table import plain_table
from visionlora.report.html import table, text
from visionlora.report.markdown import escaped
from visionlora.report.metrics_file import SELECTED
from visionlora.report.selected import selected_clause
from visionlora.text import counted, csv_safe, for_terminal

SHOWN = 40
"""Labels of the table on the terminal, those with the lowest average precision; files have all of them."""
_FIGURES = {
    "images": "images", "ap": "average precision", "threshold": "threshold", "precision": "precision",
    "recall": "recall", "f1": "F1",
}  # fmt: skip


class LabelFigures(NamedTuple):
    """The figures of each label.

    Attributes:
        images: which images they are on, in words.
        selected: what these images chose in the run, in words; "" where they chose nothing.
        labels: label -> ``images``, ``ap``, ``threshold``, ``precision``, ``recall``, ``f1``.
    """

    images: str
    selected: str
    labels: Mapping[str, Mapping[str, Any]]


def label_figures(metrics: Mapping[str, Any]) -> LabelFigures | None:
    """Those of test images, else of validation images; None where there are none, or an image has one label.

    Args:
        metrics: the content of ``metrics.json``.
    """
    test, after = metrics["test"]["after"], metrics["after"]
    if not isinstance(test, str) and "per_label" in test:
        return LabelFigures(f"{test['images']} test images", "", test["per_label"])
    if "per_label" not in after:
        return None
    images = f"{metrics['images']['val']} validation images"
    return LabelFigures(images, selected_clause(after[SELECTED]), after["per_label"])


def labels_table(found: LabelFigures) -> Table:
    """The labels with the lowest average precision first, for the terminal."""
    table = plain_table(f"labels, on {found.images}")
    table.add_column("label")
    for name in _FIGURES.values():
        table.add_column(name, justify="right")
    for name in sorted(found.labels, key=lambda one: _order(found.labels[one]))[:SHOWN]:
        table.add_row(Text(for_terminal(name)), *(_shown(found.labels[name][key]) for key in _FIGURES))
    more = f"and {counted(len(found.labels) - SHOWN, 'more label')}" if len(found.labels) > SHOWN else ""
    table.caption = "; ".join(one for one in (more, found.selected and f"* {found.selected}") if one) or None
    return table


def labels_markdown(found: LabelFigures, most: int | None = None) -> str:
    """All of them as a Markdown table, or ``most`` of them."""
    lines = [
        f"Labels, on {found.images}" + (f" ({found.selected}):" if found.selected else ":"),
        "",
        f"| label | {' | '.join(_FIGURES.values())} |",
        "| --- |" + " --- |" * len(_FIGURES),
    ]
    for name, figures in list(found.labels.items())[:most]:
        lines.append(f"| {escaped(name)} | {' | '.join(_shown(figures[key]) for key in _FIGURES)} |")
    if most is not None and len(found.labels) > most:
        lines += ["", f"And {counted(len(found.labels) - most, 'more label')}."]
    return "\n".join(lines)


def labels_section(found: LabelFigures | None) -> str:
    """All of them as a table of a page."""
    if found is None:
        return "<p class=quiet>not measured: there are no labelled images</p>"
    rows = "".join(
        f"<tr><td class=name><bdi>{text(name)}</bdi></td>"
        + "".join(f"<td>{_shown(figures[key])}</td>" for key in _FIGURES)
        + "</tr>"
        for name, figures in found.labels.items()
    )
    chosen = f"; {found.selected}" if found.selected else ""
    return (
        f"<p class=quiet>On {text(found.images + chosen)}. An image has a label where its probability is "
        "above the label's threshold. The same figures are in labels.csv.</p>"
        f"{table(('label', *_FIGURES.values()), rows)}"
    )


def write_labels(found: LabelFigures, path: Path) -> None:
    """Write them as CSV; a figure that does not exist is left empty."""
    with replacing(path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["label", "images", *list(_FIGURES)[1:]])
        for name, figures in found.labels.items():
            shown = ["" if isinstance(figures[key], str) else figures[key] for key in _FIGURES]
            writer.writerow([csv_safe(name), *shown])


def _order(figures: Mapping[str, Any]) -> float:
    return 2.0 if isinstance(figures["ap"], str) else figures["ap"]


def _shown(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
