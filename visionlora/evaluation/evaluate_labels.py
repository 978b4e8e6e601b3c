"""Measuring an adapter that gives an image any number of labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console

from visionlora.adapters import read_adapter_config
from visionlora.data import ImageFile
from visionlora.errors import VisionLoraError
from visionlora.evaluation.config import EvaluateConfig
from visionlora.evaluation.predictions import Predictions
from visionlora.models.restore import TrainedModel, adapter_directory, has_several_labels
from visionlora.plain_table import show
from visionlora.report.label_figures import LabelFigures, labels_table
from visionlora.report.metrics_file import SELECTED, UNKNOWN
from visionlora.tasks.choose import task_of
from visionlora.text import counted


def gives_several_labels(adapter: str) -> bool:
    """Whether an image may have several of an adapter's labels."""
    return has_several_labels(read_adapter_config(adapter_directory(adapter)).get("visionlora") or {})


def refuse_for_labels(options: EvaluateConfig, retention_root: str | None, contrast_root: str | None) -> None:
    """Refuse what is measured of one class an image alone.

    Raises:
        VisionLoraError: names the option.
    """
    given = {
        "strength": len(options.strengths) > 1,
        "rank_curve": options.rank_curve,
        "sheet": options.sheet is not None,
        "retention.root": retention_root not in ("auto", None),
        "contrast.root": contrast_root not in ("auto", None),
        "data.class_name": options.data.class_name is not None,
        "data.class_from": options.data.class_from != "folders",
    }
    name = next((key for key, value in given.items() if value), None)
    if name is not None:
        raise VisionLoraError(
            f"{name}: {options.adapters[0]} gives an image several labels (task=multi_label), for which this "
            "is not measured; leave it out"
        )


def label_targets(restored: TrainedModel, images: Sequence[ImageFile]) -> dict[str, int]:
    """The output of every label of the adapter.

    Raises:
        VisionLoraError: the images have a label that it does not.
    """
    targets = {name: output for output, name in enumerate(restored.head.outputs)}
    for image in images:
        unknown = next((name for name in image.names if name not in targets), None)
        if unknown is not None:
            raise VisionLoraError(
                f"{image.path} has the label {unknown!r}, which the adapter was not trained on; it knows "
                f"{', '.join(list(targets)[:10])}"
            )
    return targets


def label_metrics(
    restored: TrainedModel, now: Predictions, judged_on: str, left_out: int, selected: Sequence[str]
) -> dict[str, Any]:
    """What ``visionlora evaluate`` writes.

    Args:
        restored: the adapted network.
        now: its predictions.
        judged_on: the images in words.
        left_out: how many were left out.
        selected: what the images chose in the adapter's run.
    """
    task = task_of(restored)
    return {
        "task": task.name,
        "images": len(now),
        "judged_on": judged_on,
        "left_out": left_out,
        SELECTED: list(selected),
        **task.metrics(now.logits, now.labels, dict(enumerate(restored.head.outputs))),
    }


def show_labels(metrics: dict[str, Any], console: Console) -> None:
    """Show these figures: those of all labels together, and of each."""
    chosen = metrics[SELECTED]
    words = f"selected on these images: {', '.join(chosen)}" if chosen else ""
    if chosen == [UNKNOWN]:
        words = "whether these images chose anything is not known"
    figures = [
        f"{title} {metrics[key]:.3f}" if isinstance(metrics[key], float) else f"{title} {metrics[key]}"
        for key, title in (
            ("map", "mean average precision"), ("f1", "F1 of all labels"), ("exact", "all labels right")
        )
    ]  # fmt: skip
    console.print(f"{', '.join(figures)}" + (f" ({words})" if words else ""), highlight=False)
    show(
        labels_table(LabelFigures(counted(metrics["images"], "image"), words, metrics["per_label"])),
        console,
    )
