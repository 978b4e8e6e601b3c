"""The records of the family comparison as Markdown tables and as a plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from benchmarks.table import markdown_table

Record = Mapping[str, Any]
BOUNDS = {"learned": 0.9, "lost": 0.03, "false positives": 0.10}
"""What the shipped goldfish job has to keep (.ci/check_goldfish.py)."""

TITLES = {
    "goldfish": "rank 8",
    "equal": "about LoRA's number of trained parameters",
    "quick": "rank 8, fewer steps",
}
"""What each kind of goldfish job has in common among families."""


def sections(records: Sequence[Record]) -> str:
    """All tables that there are records for."""
    jobs = [goldfish_table(records, kind, title) for kind, title in TITLES.items()]
    parts = [*jobs, step_table(records), learning_tables(records)]
    return "\n\n".join(part for part in parts if part)


def goldfish_table(records: Sequence[Record], kind: str, title: str) -> str:
    """The shipped job with each family."""
    rows = [record for record in records if record["kind"] == kind]
    if not rows:
        return ""
    lines = []
    for row in rows:
        kept = row["learned"] >= BOUNDS["learned"] and all(
            row[name] <= BOUNDS[name] for name in ("lost", "false positives")
        )
        lines.append([
            row["family"], str(row["rank"]), f"{row['learned']:.3f}", f"{row['lost']:.3f}",
            f"{row['false positives']:.3f}", f"{row['strength']:g}", f"{row['trained']:,}",
            f"{row['bytes'] / 1024:.0f}", "yes" if kept else "**no**",
        ])  # fmt: skip
    headings = (
        "family", "rank", "learned", "lost", "false pos.", "strength", "trained", "KiB", "within the bounds",
    )  # fmt: skip
    return f"**The goldfish job on pocket, {title}**\n\n" + markdown_table(headings, lines)


def step_table(records: Sequence[Record]) -> str:
    """Ratios to the floor, ours beside the peers' on each network."""
    rows = [record for record in records if record["kind"] == "step" and record["whose"] != "floor"]
    if not rows:
        return ""
    networks = list(dict.fromkeys(row["network"] for row in rows))
    headings = ["family", *(f"{network}: ours, PEFT, LyCORIS" for network in networks)]
    lines = []
    for family in dict.fromkeys(row["family"] for row in rows):
        line = [family]
        for network in networks:
            found = {r["whose"]: r for r in rows if (r["family"], r["network"]) == (family, network)}
            line.append(", ".join(_ratio(found.get(whose)) for whose in ("ours", "PEFT", "LyCORIS")))
        lines.append(line)
    return "**Step time, as a multiple of the frozen floor's**\n\n" + markdown_table(headings, lines)


def _ratio(row: Record | None) -> str:
    if row is None:
        return "-"
    return "failed" if row["ratio"] is None else f"{row['ratio']:.2f}"


def best(records: Sequence[Record], task: str) -> list[Record]:
    """Each family's and library's record with the best learning rate on a task."""
    found: dict[tuple[str, str], Record] = {}
    for record in records:
        if record["kind"] == "learning" and record["task"] == task:
            key = record["family"], record["whose"]
            if key not in found or _merit(record) > _merit(found[key]):
                found[key] = record
    return list(found.values())


def _merit(record: Record) -> tuple[float, float]:
    return record.get("learned") or 0.0, record.get("kept") or 0.0


def learning_tables(records: Sequence[Record]) -> str:
    """One table for each task."""
    tasks = dict.fromkeys(record["task"] for record in records if record["kind"] == "learning")
    headings = (
        "family", "by", "lr", "rank", "learned at 1 / 0.8", "photos lost", "chosen", "learned", "photos lost",
        "false pos.", "trained", "seconds",
    )  # fmt: skip
    parts = []
    for task in tasks:
        lines = []
        for row in best(records, task):
            if "cannot" in row:
                lines.append([row["family"], row["whose"], row["cannot"], *[""] * 9])
                continue
            lines.append([
                row["family"], row["whose"], f"{row['lr']:g}", str(row["rank"]),
                *(" / ".join(_number(one(row, at)) for at in (1.0, 0.8)) for one in (learned_at, lost_at)),
                f"{row['strength']:g}" if "strength" in row else "1", f"{row['learned']:.3f}",
                _number(lost(row)), _number(row.get("others_called")), f"{row['trained']:,}",
                f"{row['seconds']:.0f}",
            ])  # fmt: skip
        parts.append(f"**{task}**\n\n" + markdown_table(headings, lines))
    return "\n\n".join(parts)


def lost(record: Record) -> float | None:
    """Top-1 on photos that was lost; None where it is not measured."""
    frozen = record.get("frozen")
    return None if not frozen or record.get("kept") is None else frozen["kept"] - record["kept"]


def learned_at(record: Record, strength: float) -> float | None:
    """Top-1 of what was learned at a strength; None where it is not measured."""
    return _at(record, strength).get("learned")


def lost_at(record: Record, strength: float) -> float | None:
    """Top-1 on photos that was lost at a strength; None where it is not measured."""
    return lost({"frozen": record.get("frozen"), **_at(record, strength)})


def _at(record: Record, strength: float) -> Record:
    return next((point for point in record.get("curve", ()) if point["strength"] == strength), {})


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def draw(records: Sequence[Record]) -> Figure:
    """Learned against lost: a panel for each task with old knowledge, and for each goldfish job.

    A task's lines go through the strengths of each family's best run, up to 1.
    """
    tasks = dict.fromkeys(record["task"] for record in records if record["kind"] == "learning")
    runs = {task: [row for row in best(records, task) if lost(row) is not None] for task in tasks}
    runs = {task: rows for task, rows in runs.items() if rows}
    jobs = [kind for kind in TITLES if any(record["kind"] == kind for record in records)]
    titles = [*runs, *(f"goldfish, {TITLES[kind]}" for kind in jobs)]
    figure = Figure(figsize=(6 * max(1, len(titles)), 5), layout="constrained")
    panels = [figure.add_subplot(1, len(titles), place) for place in range(1, len(titles) + 1)]
    for axes, title in zip(panels, titles, strict=True):
        axes.set(title=title, xlabel="top-1 lost on old images", ylabel="top-1 learned")
        axes.margins(0.15)
    for axes, rows in zip(panels, runs.values(), strict=False):
        for row in rows:
            x, y = zip(*_path(row), strict=True)
            axes.plot(x, y, ".-", linewidth=1)
            name = row["family"] if row["whose"] == "ours" else f"{row['family']} ({row['whose']})"
            axes.annotate(name, (x[-1], y[-1]), textcoords="offset points", xytext=(4, 0), fontsize=8)
    for axes, kind in zip(panels[len(runs) :], jobs, strict=True):
        together: dict[tuple[float, float], list[str]] = {}
        for row in records:
            if row["kind"] == kind:
                point = round(row["lost"], 3), round(row["learned"], 3)
                together.setdefault(point, []).append(row["family"])
        for point, names in together.items():
            axes.plot(*point, "o")
            lines = "\n".join(names)
            axes.annotate(lines, point, textcoords="offset points", xytext=(5, -2), fontsize=8, va="top")
    return figure


def _path(record: Record) -> list[tuple[float | None, float]]:
    """(lost, learned) at each strength that was measured; what has no strength is one point."""
    points = record.get("curve") or [record]
    return [(lost({**record, "kept": point["kept"]}), point["learned"]) for point in points]
