"""The figures of benchmarks.time_to_result as tables and as curves over seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.table import markdown_table
from visionlora.files import replacing
from visionlora.phases import PHASES

Record = Mapping[str, Any]
HEADINGS = (
    "contender",
    "seeds",
    "wall s",
    "core s",
    "learned",
    "lost",
    "others",
    "steps",
    *PHASES,
    "imports",
)


def table(records: Sequence[Record], job: str) -> str:
    """One job's contenders as Markdown, means over the seeds."""
    rows = []
    for contender in dict.fromkeys(record["contender"] for record in records):
        mine = [one for one in records if (one["job"], one["contender"]) == (job, contender)]
        if mine:
            rows.append([contender, str(len(mine)), *_cells(mine)])
    return markdown_table(HEADINGS, rows)


def _cells(mine: Sequence[Record]) -> list[str]:
    def mean(key: str, digits: int) -> str:
        values = [one[key] for one in mine if one.get(key) is not None]
        return f"{fmean(values):.{digits}f}" if values else ""

    phases = [f"{fmean(one['time'][f'{phase}_s'] for one in mine):.1f}" for phase in PHASES]
    imports = f"{fmean(one['wall'] - one['time']['total_s'] for one in mine):.1f}"
    return [
        mean("wall", 0), mean("core", 0), mean("learned", 3), mean("lost", 3), mean("others", 3),
        mean("steps", 0), *phases, imports,
    ]  # fmt: skip


def draw(records: Sequence[Record], titles: Mapping[str, str], path: Path) -> None:
    """Write a PNG, one panel a job: validation top-1 against seconds since the command was given; the cross
    is the result, with held-out top-1 at the job's wall time."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * len(titles), 4), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(titles), squeeze=False)[0]
    contenders = list(dict.fromkeys(record["contender"] for record in records))
    for panel, (name, title) in zip(panels, titles.items(), strict=True):
        for number, contender in enumerate(contenders):
            colour = f"C{number}"
            for record in records:
                if (record["job"], record["contender"]) != (name, contender):
                    continue
                panel.plot(*zip(*record["curve"], strict=True), color=colour) if record["curve"] else None
                panel.plot(record["wall"], record["learned"], "x", color=colour, label=contender)
        panel.set(title=title, xlabel="seconds since the command", ylabel="learned", ylim=(0, 1.03))
        panel.set_xscale("log")
        panel.grid(alpha=0.3)
        handles = dict(zip(*reversed(panel.get_legend_handles_labels()), strict=True))
        panel.legend(handles.values(), handles.keys(), fontsize="small")
    with replacing(path) as beside:
        figure.savefig(beside, format="png", dpi=120)
