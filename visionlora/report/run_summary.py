"""What a run did, in three sentences and three boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from visionlora.report.html import text
from visionlora.report.intervals import wilson_interval
from visionlora.report.learned import learned
from visionlora.report.metrics_file import NOT_MEASURED, SELECTED, has_several_labels, learned_figure
from visionlora.report.selected import selected_clause
from visionlora.text import counted, listed, percent


def summary_sentences(metrics: Mapping[str, Any]) -> Sequence[str]:
    """What was learned, what was kept, and what else gets a trained name; of several labels an image what was
    learned alone."""
    classes, train = list(metrics["classes"]), metrics["images"]["train"]
    several = has_several_labels(metrics)
    kinds = "labels" if several else "classes"
    names = listed(classes, most=3) if len(classes) <= 3 else f"{len(classes)} {kinds}"
    start = f"{metrics['model']['used']} learned {names} from {counted(train, 'image')}"
    new = learned(metrics)
    if new.after is None:
        sentence = f"{start}; what it learned is not measured, because there are no validation images."
    else:
        rose = (
            f"is {new.after:.3f}" if new.before is None else f"went from {new.before:.3f} to {new.after:.3f}"
        )
        figure = learned_figure(metrics)[1]
        interval = "" if several else f" (95 % interval {_interval(new.after, new.images)})"
        sentence = f"{start}: {figure} on {counted(new.images, f'{new.kind} image')} {rose}{interval}."
    if several:
        return (sentence, "An image gets each label whose probability is above that label's threshold.")
    return sentence, _kept(metrics), _called(metrics)


def _kept(metrics: Mapping[str, Any]) -> str:
    retention = metrics["retention"]
    if isinstance(retention, str):
        return f"What it forgot is not measured, because {_no_old_images(metrics)}."
    count = retention["images"]
    if retention["labelled"]:
        first, last = retention["before/top1"], retention["after/top1"]
        words = f"went from {first:.3f} to {last:.3f} (95 % interval {_interval(last, count)})"
        return f"On {counted(count, 'old image')}, top-1 {words}."
    return (
        f"On {counted(count, 'old image')}, an estimated {retention['lost']:.3f} of top-1 "
        f"was lost, and {percent(retention['agreement'], 1)} keep their prediction."
    )


def _no_old_images(metrics: Mapping[str, Any]) -> str:
    """Why forgetting is not measured."""
    new = metrics["head"] == "new"
    return "the new head has none of the old outputs" if new else "there are no old images"


def _no_contrast_images(metrics: Mapping[str, Any]) -> str:
    """Why false positives are not measured."""
    new = metrics["head"] == "new"
    return "every output of the new head is a trained class" if new else "there are no contrast images"


def _called(metrics: Mapping[str, Any]) -> str:
    contrast, strength = metrics["contrast"], metrics["strength"]
    chosen = f"The adapter has strength {strength['chosen']:g}"
    if strength["curve"]:
        chosen += ", within the budgets" if strength["kept"] else ", over a budget"
    if isinstance(contrast, str):
        return f"{chosen}; false positives are not measured, because {_no_contrast_images(metrics)}."
    rate, count = contrast["after/false_positive_rate"], contrast["images"]
    return (
        f"{chosen}. The false-positive rate on {counted(count, 'contrast image')} is {rate:.3f} "
        f"(95 % interval {_interval(rate, count)})."
    )


def headline_boxes(metrics: Mapping[str, Any]) -> str:
    """Learned, kept and false positives before and after, with intervals, as HTML."""
    several = has_several_labels(metrics)
    boxes = (
        _label_boxes(metrics)
        if several
        else _learned_box(metrics) + _kept_box(metrics) + _called_box(metrics)
    )
    return f"<div class=boxes>{boxes}</div>"


def _learned_box(metrics: Mapping[str, Any]) -> str:
    new = learned(metrics)
    words = f"{learned_figure(metrics)[1]} on {counted(new.images, f'{new.kind} image')}"
    # A mean average precision is no share of images, so it has no interval of one.
    count = None if has_several_labels(metrics) else new.images
    return _box("Learned", words, new.before, new.after, count, list(new.selected))


def _label_boxes(metrics: Mapping[str, Any]) -> str:
    """What was learned of several labels an image, by three figures."""
    new = learned(metrics)
    figures = metrics["after"] if new.kind == "validation" else metrics["test"]["after"]
    mark = "val/" if new.kind == "validation" else ""
    boxes = _learned_box(metrics)
    for key, title, what in (("f1", "F1", "of all labels together"), ("exact", "Exact", "all labels right")):
        value = figures.get(f"{mark}{key}", NOT_MEASURED)
        words = f"{what}, on {counted(new.images, f'{new.kind} image')}"
        boxes += _box(title, words, None, None if isinstance(value, str) else value, None, list(new.selected))
    return boxes


def _kept_box(metrics: Mapping[str, Any]) -> str:
    retention = metrics["retention"]
    if isinstance(retention, str):
        return _box("Kept", _no_old_images(metrics), None, None, 0, [])
    images, selected = retention["images"], retention[SELECTED]
    if retention["labelled"]:
        pair = retention["before/top1"], retention["after/top1"]
        return _box("Kept", f"top-1 on {images} old images", *pair, images, selected)
    return _box(
        "Kept", f"same prediction on {images} old images", 1.0, retention["agreement"], images, selected
    )


def _called_box(metrics: Mapping[str, Any]) -> str:
    contrast = metrics["contrast"]
    if isinstance(contrast, str):
        return _box("False positives", _no_contrast_images(metrics), None, None, 0, [])
    images = contrast["images"]
    return _box(
        "False positives",
        f"share of {counted(images, 'contrast image')}",
        contrast["before/false_positive_rate"],
        contrast["after/false_positive_rate"],
        images,
        contrast[SELECTED],
    )


def _box(
    title: str, words: str, before: float | None, after: float | None, count: int | None, selected: list[str]
) -> str:
    if after is None:
        return f"<div class=box><h3>{title}</h3><b>{NOT_MEASURED}</b><small>{text(words)}</small></div>"
    low, high = (after, after) if count is None else wilson_interval(min(after, 1.0), count)
    interval = "" if count is None else f"95 % interval {_interval(after, count)}"
    first = f"<i class=before style='left:{100 * before:.1f}%'></i>" if before is not None else ""
    was = f"before {before:.3f}, " if before is not None else ""
    star = f"<small class=selected>{text(selected_clause(selected))}</small>" if selected else ""
    return (
        f"<div class=box><h3>{title}</h3><b>{after:.3f}</b><small>{text(words)}</small>"
        f"<div class=scale><i class=interval style='left:{100 * low:.1f}%;"
        f"width:{100 * (high - low):.1f}%'></i>{first}"
        f"<i class=after style='left:{100 * after:.1f}%'></i></div>"
        f"<small>{was}{interval}</small>{star}</div>"
    )


def _interval(share: float, count: int) -> str:
    low, high = wilson_interval(min(max(share, 0.0), 1.0), count)
    return f"{low:.2f} to {high:.2f}"
