"""Parts of a run's report with figures: classes, the choice of the strength, the size of the update."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from visionlora.report.charts import Line, line_chart, reliability_chart
from visionlora.report.classification_report import ClassificationReport
from visionlora.report.html import table, text
from visionlora.report.selected import selected_clause
from visionlora.text import percent

MATRIX = 40
"""Classes of a confusion matrix; of more, the pairs that are confused most often are listed."""
PAIRS = 30
RELIABLE = 10
"""Images from which on a reliability diagram is drawn."""


def quiet(words: str) -> str:
    """A sentence beside the figures."""
    return f"<p class=quiet>{text(words)}</p>"


def classes_section(report: ClassificationReport | None) -> str:
    """Precision, recall and F1 of each class, the confusion matrix and the reliability diagram."""
    if report is None:
        return quiet("not measured: there are no labelled images")
    chosen = f"; {selected_clause(report.selected)}" if report.selected else ""
    compared = any(one.recall_before is not None for one in report.classes)
    rows = "".join(
        f"<tr><td class=name><bdi>{text(one.name)}</bdi></td><td>{one.images}</td>"
        f"{f'<td>{_share(one.recall_before)}</td>' if compared else ''}<td>{_share(one.recall)}</td>"
        f"<td>{_share(one.precision)}</td><td>{_share(one.f1)}</td></tr>"
        for one in report.classes
    )
    reliability = ""
    if sum(one.images for one in report.bins) >= RELIABLE:
        reliability = (
            f"<div><h3>Reliability</h3>{reliability_chart(report.bins)}"
            f"<p class=quiet>expected calibration error {report.calibration_error:.3f}</p></div>"
        )
    columns = ("class", "images", *(["recall before"] if compared else []), "recall", "precision", "F1")
    return (
        f"<p class=quiet>On {text(report.images + chosen)}. Precision is measured only on these images. "
        "The same figures are in classes.csv.</p>"
        f"{table(columns, rows)}"
        f"<div class=pair>{_confusion(report)}{reliability}</div>"
    )


def earlier_section(earlier: Mapping[str, Any]) -> str:
    """What is kept of each class that an earlier run learned (``earlier`` of ``metrics.json``)."""
    lost = earlier["lost"] if isinstance(earlier["lost"], str) else f"{earlier['lost']:+.3f}"
    rows = "".join(
        f"<tr><td class=name><bdi>{text(one['class'])}</bdi></td><td>{one['images']}</td>"
        f"{''.join(f'<td>{_figure(one[key])}</td>' for key in ('learned', 'before/top1', 'after/top1'))}"
        f"<td>{one['kept'] if isinstance(one['kept'], str) else percent(one['kept'])}</td></tr>"
        for one in earlier["classes"]
    )
    columns = ("class", "images", "top-1 when learned", "top-1 before", "top-1 after", "kept")
    return quiet(f"The original network's top-1 lost by all runs: {lost}.") + table(columns, rows)


def _figure(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.3f}"


def _confusion(report: ClassificationReport) -> str:
    names = [*(one.name for one in report.classes), "anything else"]
    if len(names) > MATRIX:
        pairs = sorted(
            (-count, names[row], names[column])
            for row, counts in enumerate(report.confusion)
            for column, count in enumerate(counts)
            if count and row != column
        )
        lines = "".join(
            f"<tr><td>{text(true)}</td><td>{text(said)}</td><td>{-count}</td></tr>"
            for count, true, said in pairs[:PAIRS]
        )
        return f"<div><h3>Confused most often</h3>{table(('class', 'predicted', 'images'), lines)}</div>"
    head = "".join(f"<th><span><bdi>{text(name)}</bdi></span></th>" for name in names)
    body = "".join(
        f"<tr><th><bdi>{text(names[row])}</bdi></th>"
        f"{''.join(_cell(row, column, counts) for column in range(len(counts)))}</tr>"
        for row, counts in enumerate(report.confusion)
        if any(counts)
    )
    return (
        "<div><h3>Confusion matrix</h3><p class=quiet>rows: the class; columns: the prediction</p>"
        f"{table((), f'<tr><th></th>{head}</tr>{body}', 'matrix')}</div>"
    )


def _cell(row: int, column: int, counts: Sequence[int]) -> str:
    share = counts[column] / max(1, sum(counts))
    kind = "right" if row == column else "wrong"
    return f"<td class={kind} style='--share:{share:.3f}'>{counts[column] or ''}</td>"


def strength_section(strength: Mapping[str, Any]) -> str:
    """What each strength learns and forgets (``strength`` of ``metrics.json``)."""
    curve = strength["curve"]
    if not curve:
        return quiet(f"strength 1, not chosen: {strength['reason']}")

    def line(key: str, name: str, kind: str) -> Line:
        points = [point for point in curve if key in point]
        places = [(point["strength"], point[key]) for point in points]
        return Line(name, kind, places, [not point["measured"] for point in points])

    learned = [
        line("val/top1", f"top-1 on {strength['learned_on']}", "learned"),
        line("contrast/false_positive_rate", f"false positives on {strength['called_on']}", "called"),
    ]
    lost = line("lost", f"top-1 lost on {strength['judged_on']}", "lost")
    chosen = strength["chosen"]
    limits = strength["allowed"]
    charts = ""
    if shown := [one for one in learned if one.points]:
        limit = limits["contrast"] if shown[-1].kind == "called" else None
        charts += line_chart(shown, "strength", 1.0, chosen, limit)
    if lost.points:
        highest = max(0.02, 1.2 * max(y for _, y in lost.points), 1.2 * (limits["retention"] or 0))
        charts += line_chart([lost], "strength", min(1.0, highest), chosen, limits["retention"])
    return (
        f"<p class=quiet>Weights and strength ({chosen:g}) were selected on these images; hollow points are "
        f"interpolated.</p><div class=pair>{charts}</div>"
    )


def updates_section(sizes: Mapping[str, float]) -> str:
    """How much each layer changed: layer -> share of its weight's norm."""
    most = max(sizes.values(), default=0.0) or 1.0
    rows = "".join(
        f"<tr><td><code>{text(name)}</code></td><td><div class=bar><i class=train "
        f"style='width:{100 * size / most:.1f}%'></i></div></td><td>{percent(size, 2)}</td></tr>"
        for name, size in sizes.items()
    )
    words = "The norm of each layer's update as a share of its weight's, from the input to the output."
    return quiet(words) + table((), rows)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
