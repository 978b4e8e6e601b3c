"""Measurements as tables for the terminal and Markdown, and as curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table

from benchmarks.timing import Row, Setting
from visionlora.files import replacing

Measured = Sequence[tuple[Setting, Sequence[Row]]]
HEADINGS = ("contender", "ms", "quartiles", "x floor", "quartiles", "MB", "trained", "layers")


def cells(row: Row) -> list[str]:
    """One row of a table, in the order of `HEADINGS`: step time, peak memory, trained parameters in
    thousands, adapted layers; the status in place of missing figures."""
    if row.median is None or row.quartiles is None:
        return [row.contender, row.status.split(":")[0], *[""] * (len(HEADINGS) - 2)]
    quartiles = "-".join(map(_milliseconds, row.quartiles))
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    ratios = "" if row.ratio_quartiles is None else "-".join(f"{value:.2f}" for value in row.ratio_quartiles)
    peak = f"{row.peak_memory / 1e6:,.0f}" if row.peak_memory is not None else ""
    peak = peak if row.status == "ok" else "none"
    return [
        row.contender,
        _milliseconds(row.median),
        quartiles,
        ratio,
        ratios,
        peak,
        f"{(row.trainable or 0) / 1000:,.1f}k",
        f"{row.layers}",
    ]


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.1f}" if seconds < 0.1 else f"{1000 * seconds:.0f}"


def terminal_table(setting: Setting, rows: Sequence[Row]) -> Table:
    """One setting's table for a rich console."""
    table = Table(*HEADINGS, title=str(setting), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*cells(row))
    table.caption, table.caption_justify = "\n".join(remarks(rows)), "left"
    return table


def remarks(rows: Sequence[Row]) -> list[str]:
    """The reasons for missing figures."""
    return [f"{row.contender}: {row.status}" for row in rows if row.status != "ok"]


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are aligned right."""
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def markdown(measured: Measured) -> str:
    """One table per setting."""
    parts = []
    for setting, rows in measured:
        parts += [f"**{setting}**", markdown_table(HEADINGS, [cells(row) for row in rows]), *remarks(rows)]
    return "\n\n".join(parts)


def curves(measured: Measured, over: str) -> dict[str, tuple[list[int], dict[str, list[Row]]]]:
    """Per network and precision: the values of `over` (rank or batch), and each contender's rows at them."""
    found: dict[str, tuple[list[int], dict[str, list[Row]]]] = {}
    for setting, rows in measured:
        fixed = f"batch {setting.batch}" if over == "rank" else f"rank {setting.rank}"
        values, lines = found.setdefault(f"{setting.network}, {setting.precision}, {fixed}", ([], {}))
        values.append(getattr(setting, over))
        for row in rows:
            lines.setdefault(row.contender, []).append(row)
    return found


def markdown_curves(measured: Measured, over: str) -> str:
    """One table per network and precision: a row per value of `over`, a column per contender."""
    parts = []
    for title, (values, lines) in curves(measured, over).items():
        table = [
            [str(value), *(_point(rows[number]) for rows in lines.values())]
            for number, value in enumerate(values)
        ]
        parts.append(f"**{title}** (ms, and times the floor)\n\n{markdown_table([over, *lines], table)}")
    return "\n\n".join(parts)


def _point(row: Row) -> str:
    if row.median is None:
        return row.status.split(":")[0]
    return _milliseconds(row.median) + (f" ({row.ratio:.2f})" if row.ratio is not None else "")


def draw_curves(measured: Measured, over: str, path: Path) -> None:
    """Write a PNG with one panel per network and precision: step time over `over`, both axes logarithmic."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    found = curves(measured, over)
    figure = Figure(figsize=(5 * len(found), 4), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(found), squeeze=False)[0]
    for panel, (title, (values, lines)) in zip(panels, found.items(), strict=True):
        for name, rows in lines.items():
            points = [
                (value, 1000 * row.median)
                for value, row in zip(values, rows, strict=True)
                if row.median is not None
            ]
            if points:
                panel.plot(*zip(*points, strict=True), marker="o", label=name)
        panel.set_xscale("log", base=2)
        panel.set_yscale("log")
        panel.set_xticks(values, labels=[str(value) for value in values])
        panel.set(title=title, xlabel=over, ylabel="step, ms")
        panel.grid(alpha=0.3)
        panel.legend(fontsize="small")
    with replacing(path) as beside:
        figure.savefig(beside, format="png", dpi=120)
