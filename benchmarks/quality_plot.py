"""The results of the quality benchmark as tables and as a plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from matplotlib.figure import Figure
from rich.table import Table

from benchmarks.quality_methods import METHODS, MINE, Method, best_lr
from visionlora.report.intervals import wilson_interval

COLUMNS = (
    "method", "lr", "seeds", "unseen top-1", "photos top-1", "photos lost", "photos false pos.",
    "others false pos.", "trained", "steps", "seconds",
)  # fmt: skip

Record = Mapping[str, Any]


def summarise(
    records: Sequence[Record], tasks: Sequence[str], methods: Sequence[Method], seeds: Sequence[int]
) -> list[dict[str, Any]]:
    """One row per task and method with the best learning rate of the first seed; means over the seeds."""

    rows: list[dict[str, Any]] = []
    for task in tasks:
        frozen: dict[str, Any] | None = None
        found: list[dict[str, Any]] = []
        for method in methods:
            mine = [r for r in records if (r["task"], r["method"]) == (task, method.name)]
            cannot = [r["cannot"] for r in mine if "cannot" in r]
            lr = best_lr(records, task, method, seeds[0])
            if lr is None:
                if cannot:
                    found.append({"task": task, "method": method.name, "cannot": cannot[0]})
                continue
            runs = [r for r in mine if r["lr"] == lr and r["seed"] in seeds]
            frozen = frozen or runs[0]["frozen"]
            found.append({"task": task, "method": method.name, "lr": lr, **_means(runs)})
        if frozen:
            rows.append({"task": task, "method": "frozen", "lost": 0.0, "seeds": 0, **frozen})
        rows += found
    return rows


def _means(runs: Sequence[Record]) -> dict[str, Any]:
    means: dict[str, Any] = {"seeds": len(runs)}
    for name in ("learned", "kept", "photos_called", "others_called", "seconds", "strength"):
        values = [run[name] for run in runs if run.get(name) is not None]
        means[name] = fmean(values) if values else None
    learned = [run["learned"] for run in runs]
    means["spread"] = stdev(learned) if len(learned) > 1 else None
    frozen = runs[0]["frozen"]
    means["lost"] = None if frozen is None or means["kept"] is None else frozen["kept"] - means["kept"]
    for name in ("images", "photos", "trained", "steps"):
        means[name] = runs[0].get(name)
    curves = [run["curve"] for run in runs if run.get("curve") and frozen is not None]
    means["curve"] = [
        {
            "strength": points[0]["strength"],
            "learned": fmean(point["learned"] for point in points),
            "lost": frozen["kept"] - fmean(point["kept"] for point in points),
        }
        for points in zip(*curves, strict=True)
    ]
    return means


def terminal_table(title: str, rows: Sequence[Record]) -> Table:
    """One task's rows."""
    table = Table(title=title)
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "method" else "right")
    for row in rows:
        table.add_row(*cells(row))
    return table


def markdown(rows: Sequence[Record]) -> str:
    """One task's rows as a Markdown table."""
    lines = [COLUMNS, ("---", *["---:"] * (len(COLUMNS) - 1)), *map(cells, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def strengths(rows: Sequence[Record]) -> str:
    """The effect of an adapter's strength as a Markdown table; empty if no method has one."""
    curves = {row["method"]: row["curve"] for row in rows if row.get("curve")}
    if not curves:
        return ""
    across = [point["strength"] for point in next(iter(curves.values()))]
    lines = [("unseen top-1 / photos lost at strength", *map(str, across)), ("---", *["---:"] * len(across))]
    for name, points in curves.items():
        lines.append((name, *(f"{point['learned']:.3f} / {point['lost']:.3f}" for point in points)))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def verdict(records: Sequence[Record], task: str) -> str:
    """Whether another method, at any learning rate, strength or seed, is better than a point of ours in both
    figures: one line for ours with anchors, and one for ours without."""
    usable = [r for r in records if r["task"] == task and "cannot" not in r and r["kept"] is not None]
    others = [(r["method"], point) for r in usable if r["method"] not in MINE for point in _points(r)]
    lines = []
    for mine in MINE:
        ours = [point for record in usable if record["method"] == mine for point in _points(record)]
        if not ours or not others:
            continue
        better = sorted(
            {name for name, (learned, kept) in others if any(learned > a and kept > b for a, b in ours)}
        )
        who = f"some of {', '.join(better)} are" if better else "none is"
        counts = f"{len(others)} points of the others, {len(ours)} of {mine}"
        lines.append(f"{counts}: {who} better than one of the latter in both figures.")
    return "\n\n".join(lines)


def _points(record: Record) -> list[tuple[float, float]]:
    """(learned, kept) of a run and of each strength of it."""
    return [(one["learned"], one["kept"]) for one in (record, *record.get("curve", ()))]


def cells(row: Record) -> tuple[str, ...]:
    """The cells of a row, one per column."""
    if "cannot" in row:
        words = "cannot adapt this network: " + row["cannot"].replace("|", "/")
        return (row["method"], words, *[""] * (len(COLUMNS) - 2))
    strength = row.get("strength")
    name = row["method"] if strength is None else f"{row['method']} (strength {strength:.2f})"
    return (
        name,
        f"{row['lr']:g}" if "lr" in row else "",
        str(row["seeds"] or ""),
        _share(row["learned"], row.get("images"), row.get("spread")),
        _share(row["kept"], row.get("photos")),
        "-" if row["lost"] is None else f"{row['lost']:.3f}",
        _share(row["photos_called"]),
        _share(row["others_called"]),
        f"{row['trained'] / 1000:.0f}k" if row.get("trained") else "",
        str(row.get("steps") or ""),
        f"{row['seconds']:.0f}" if row.get("seconds") else "",
    )


def _share(value: float | None, count: int | None = None, spread: float | None = None) -> str:
    if value is None:
        return "-"
    text = f"{value:.3f}" if spread is None else f"{value:.3f} ± {spread:.3f}"
    if not count:
        return text
    low, high = wilson_interval(value, count)
    return f"{text} [{low:.2f}, {high:.2f}]"


def draw(records: Sequence[Record], titles: Mapping[str, str]) -> Figure:
    """Plot learning against forgetting, with a panel for each task that has both.

    Filled marks are runs, larger ones with a higher learning rate; for adapters a line connects the strengths
    of each run.
    """
    usable = [r for r in records if "cannot" not in r and r["kept"] is not None]
    tasks = [task for task in titles if any(record["task"] == task for record in usable)]
    columns = min(3, max(1, len(tasks)))
    lines = -(-max(1, len(tasks)) // columns)
    figure = Figure(figsize=(5.2 * columns, 4.4 * lines), layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False).flatten()
    for panel in panels[len(tasks) :]:
        panel.set_axis_off()
    for panel, task in zip(panels, tasks, strict=False):
        here = [record for record in usable if record["task"] == task]
        for place, method in enumerate(METHODS):
            _draw_method(panel, [r for r in here if r["method"] == method.name], method, f"C{place}")
        frozen = next((record["frozen"] for record in here if record["frozen"]), None)
        if frozen:
            panel.axvline(frozen["kept"], color="0.6", linestyle=":", linewidth=1, label="frozen")
        panel.set(
            title=titles[task],
            xlabel="top-1 on photos",
            ylabel="top-1 on unseen drawings",
            ylim=(-0.02, 1.02),
        )
        panel.title.set_fontsize(9)
        panel.grid(alpha=0.3)
    if tasks:
        panels[0].legend(fontsize=7)
    return figure


def _draw_method(panel: Any, records: Sequence[Record], method: Method, colour: str) -> None:
    if not records:
        return
    sizes = [18 * (1 + method.lrs.index(r["lr"])) if r["lr"] in method.lrs else 18 for r in records]
    panel.scatter([r["kept"] for r in records], [r["learned"] for r in records], sizes, color=colour,
                  label=method.name)  # fmt: skip
    for record in records:
        points = record.get("curve") or []
        panel.plot([p["kept"] for p in points], [p["learned"] for p in points], "-", color=colour,
                   alpha=0.6, linewidth=1)  # fmt: skip
    if not method.adapter:
        across = sorted((r for r in records if r["seed"] == records[0]["seed"]), key=lambda r: r["lr"])
        panel.plot(
            [r["kept"] for r in across], [r["learned"] for r in across], "--", color=colour, linewidth=1
        )
