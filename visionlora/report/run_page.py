"""The report of a run: one HTML file with everything in it, to send to somebody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from visionlora.files import replacing
from visionlora.report.classification_report import ClassificationReport
from visionlora.report.html import data_uri, frame, page, styles, table, text, thumbnails
from visionlora.report.label_figures import label_figures, labels_section
from visionlora.report.metrics_file import NO_VALIDATION, NOT_MEASURED, has_several_labels
from visionlora.report.run_figures import (
    classes_section,
    earlier_section,
    quiet,
    strength_section,
    updates_section,
)
from visionlora.report.run_summary import headline_boxes, summary_sentences
from visionlora.report.sheet import PredictionRow, TopNames
from visionlora.text import counted, listed, percent

IMAGES = 300
"""Validation images that are shown; the others are rows of a table."""
OPEN = 24
"""Of them those that are shown at once; the others behind a click."""
ROWS = 10_000
"""Rows of that table; the others are counted."""
FORGOTTEN = 24
"""Forgotten images that are shown; the others are counted."""
SIDE = 100
TIMES = {
    "setup_s": "loading, checking, choosing kernels",
    "generated_s": "generating images",
    "teacher_s": "the frozen network on anchors",
    "steps_s": "training steps",
    "validation_s": "validation",
    "selection_s": "choosing weights and strength",
    "total_s": "total until this page was written",
    "core_s": "processor time of all threads until then",
}
"""What the seconds of a run went to. Writing the results, this page among them, is not over yet."""


@dataclass(frozen=True)
class HeatMap:
    """An image as the network sees it, with the parts that its prediction depends on bright.

    Attributes:
        path: the image file.
        truth: its class.
        before: the heat map of the frozen network and its prediction; None: there is none.
        after: the same of the adapted network.
    """

    path: Path
    truth: str
    before: tuple[Image.Image, str] | None
    after: tuple[Image.Image, str]


@dataclass(frozen=True)
class RunReport:
    """What the page shows.

    Attributes:
        name: of the run.
        metrics: the content of ``metrics.json``.
        class_report: the figures of each class; None: there are no labelled images.
        images: validation images, mistakes first, with the loss of each in nats.
        forgotten: old images that were right and are wrong now.
        heat_maps: of a few images; a text says why there are none.
        update_sizes: layer -> norm of its update as a share of the weight's.
        config: the configuration as YAML.
    """

    name: str
    metrics: Mapping[str, Any]
    class_report: ClassificationReport | None
    images: Sequence[tuple[PredictionRow, float]]
    forgotten: Sequence[PredictionRow]
    heat_maps: Sequence[HeatMap] | str
    update_sizes: Mapping[str, float]
    config: str


def write_run_page(report: RunReport, path: Path) -> None:
    """Write the report; the file needs no other and no network."""
    with replacing(path) as beside:
        beside.write_text(run_page(report), encoding="utf-8")


def run_page(report: RunReport) -> str:
    """The report as HTML."""
    sections = (
        (f"{_kind(report).capitalize()} images, mistakes first", _before_after(report)),
        *_figures(report),
        ("Where the network looks", _heat_maps(report.heat_maps)),
        ("Where the network changed", updates_section(report.update_sizes)),
        ("Time, versions, configuration", _facts(report)),
    )
    links = " &middot; ".join(f"<a href='#s{at}'>{title}</a>" for at, (title, _) in enumerate(sections))
    parts = "".join(f"<h2 id=s{at}>{title}</h2>{body}" for at, (title, body) in enumerate(sections))
    sentences = " ".join(text(one) for one in summary_sentences(report.metrics))
    title = text(f"{report.metrics['model']['used']}: {listed(report.metrics['classes'], most=3)}")
    body = (
        f"<h1><bdi>{title}</bdi> <small>run <bdi>{text(report.name)}</bdi></small></h1>"
        f"<p class=summary>{sentences}</p>"
        f"{headline_boxes(report.metrics)}<nav>{links}</nav>{parts}"
    )
    return page(f"{title} - {text(report.name)}", styles("folder_page.css", "run_page.css"), body)


def _figures(report: RunReport) -> list[tuple[str, str]]:
    """Sections of figures: those of labels where an image may have several, which keep no old knowledge."""
    if has_several_labels(report.metrics):
        return [("Labels", labels_section(label_figures(report.metrics)))]
    classes = [("Classes", classes_section(report.class_report))]
    if report.metrics["head"] == "new":  # it has nothing to forget, so no strength is chosen either
        return classes
    if "earlier" in report.metrics:
        classes.append(("Classes of earlier runs", earlier_section(report.metrics["earlier"])))
    return [
        *classes,
        ("What was forgotten", _forgotten(report)),
        ("Strength", strength_section(report.metrics["strength"])),
    ]


def _kind(report: RunReport) -> str:
    """What the images are that are shown: with cross-validation the last run is trained on all of them."""
    return "training" if "folds" in report.metrics else "validation"


def _before_after(report: RunReport) -> str:
    if not report.images:
        return quiet(NO_VALIDATION)
    rows = [row for row, _ in report.images]
    losses = [loss for _, loss in report.images]
    shown, others = rows[:IMAGES], rows[IMAGES : IMAGES + ROWS]
    found = thumbnails([row.path for row in shown], SIDE)
    wrong = sum(row.is_correct(row.after) is False for row in rows)
    cards = [
        _card(row, found.get(row.path), "" if row.is_correct(row.after) else f"loss {loss:.3f}")
        for row, loss in zip(shown, losses, strict=False)
    ]
    verb = "is" if wrong == 1 else "are"
    order = " Those with the largest loss come first." if wrong > 1 else ""
    body = quiet(
        f"{wrong} of {counted(len(rows), f'{_kind(report)} image')} {verb} wrong after training.{order}"
    )
    body += f"<div class=cards>{''.join(cards[:OPEN])}</div>"
    if cards[OPEN:]:
        more = "".join(cards[OPEN:])
        body += f"<details><summary>{len(cards) - OPEN} more</summary><div class=cards>{more}</div></details>"
    if others:
        lines = "".join(
            f"<tr><td>{_file(row.path)}</td><td>{text(row.truth)}</td><td>{_first(row.before)}</td>"
            f"<td>{_first(row.after)}</td></tr>"
            for row in others
        )
        left = len(rows) - IMAGES - len(others)
        body += (
            f"<details><summary>{len(others):,} more without their images</summary>"
            f"{table(('image', 'class', 'before', 'after'), lines)}</details>"
            f"{quiet(f'and {left:,} more') if left else ''}"
        )
    return body


def _card(row: PredictionRow, uri: str | None, note: str = "") -> str:
    def line(name: str, prediction: TopNames | None) -> str:
        right = row.is_correct(prediction)
        mark = {True: "<i class=yes>&#10003;</i>", False: "<i class=no>&#10007;</i>", None: "<i></i>"}[right]
        label = f"<small>{name}</small>" if name else ""
        return f"<span class=says>{label}{mark}<bdi>{_first(prediction)}</bdi></span>"

    before = line("before", row.before) if row.before is not None else ""
    name = "after" if before else ""
    note = f"<span class=remark>{note}</span>" if note else ""
    return (
        f"<figure class=card>{frame(uri)}<figcaption><b><bdi>{text(row.truth or '')}</bdi></b>{before}"
        f"{line(name, row.after)}{note}<span class=file>{_file(row.path)}</span></figcaption></figure>"
    )


def _forgotten(report: RunReport) -> str:
    retention = report.metrics["retention"]
    if retention == NOT_MEASURED:
        return quiet("not measured: there are no old images")
    changes = retention["changes"]
    words = (
        f"{changes['forgotten']} of {retention['images']} old images forgotten, "
        f"{changes['forgotten_for_a_trained_name']} of them as a trained class; {changes['gained']} gained."
    )
    rows = "".join(
        f"<tr><td class=name><bdi>{text(one['class'])}</bdi></td><td>{one['images']}</td>"
        f"<td>{one['before/top1']:.3f}</td><td>{one['after/top1']:.3f}</td>"
        f"<td>{text(', '.join(f'{name} {count}' for name, count in list(one['now'].items())[:3]))}</td></tr>"
        for one in changes["classes"]
    )
    columns = ("old class", "images", "top-1 before", "top-1 after", "predicted now")
    classes = table(columns, rows) if rows else ""
    shown = report.forgotten[:FORGOTTEN]
    found = thumbnails([row.path for row in shown], SIDE)
    cards = "".join(_card(row, found.get(row.path)) for row in shown)
    left = len(report.forgotten) - len(shown)
    more = quiet(f"and {counted(left, 'more image')}") if left else ""
    return f"{quiet(words)}{classes}<div class=cards>{cards}</div>{more}"


def _heat_maps(maps: Sequence[HeatMap] | str) -> str:
    if isinstance(maps, str):
        return quiet(maps)

    def half(name: str, one: tuple[Image.Image, str] | None) -> str:
        if one is None:
            return ""
        image = f"<div class=frame><img src='{data_uri(one[0])}' alt=''></div>"
        return f"<div>{image}<small>{name}: <bdi>{text(one[1])}</bdi></small></div>"

    cards = "".join(
        f"<figure class=heat><div class=halves>{half('before', one.before)}{half('after', one.after)}</div>"
        f"<figcaption><b><bdi>{text(one.truth)}</bdi></b><span class=file>{_file(one.path)}</span>"
        "</figcaption></figure>"
        for one in maps
    )
    return (
        "<p class=quiet>Grad-CAM: the prediction below each image depends most on the bright parts.</p>"
        f"<div class=cards>{cards}</div>"
    )


def _facts(report: RunReport) -> str:
    metrics = report.metrics
    time = metrics["time"]
    times = {words: f"{time[name]:.1f} s" for name, words in TIMES.items() if time[name]}
    step, rate = time["step_ms"], time["images_per_s"]
    times |= {
        "a training step, the median": step if isinstance(step, str) else f"{step:.0f} ms",
        "new images per second": rate if isinstance(rate, str) else f"{rate:.1f}",
    }
    config = "\n".join(map(text, report.config.splitlines()))
    notices = "".join(f"<li>{text(one)}</li>" for one in metrics["notices"])
    return (
        f"<div class=pair>{_table('time', times)}{_table('versions', metrics.get('versions', {}))}</div>"
        f"<ul class=decided>{notices}</ul>"
        f"<details><summary>configuration</summary><pre>{config}</pre></details>"
    )


def _table(title: str, rows: Mapping[str, Any]) -> str:
    lines = "".join(f"<tr><td>{text(name)}</td><td>{text(value)}</td></tr>" for name, value in rows.items())
    return table((), f"<tr><th colspan=2>{title}</th></tr>{lines}")


def _first(prediction: TopNames | None) -> str:
    if not prediction:
        return "-"
    name, probability = prediction[0]
    return f"{text(name)} {percent(probability).replace(' ', '&nbsp;')}"


def _file(path: Path) -> str:
    return f"<bdi>{text(path.name)}</bdi>"
