"""Measuring an adapter on a labelled folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from visionlora.adapters import adapters_off, merged
from visionlora.adapters.settings import AUTO
from visionlora.adapters.truncate import decompose_updates
from visionlora.data import (
    ImageDataset,
    ImageFile,
    ImageLoader,
    find_bad,
    make_loader,
    refuse,
)
from visionlora.device import choose_device
from visionlora.errors import VisionLoraError
from visionlora.evaluation.config import EvaluateConfig
from visionlora.evaluation.evaluate_labels import (
    gives_several_labels,
    label_metrics,
    label_targets,
    refuse_for_labels,
    show_labels,
)
from visionlora.evaluation.forgetting import Changes, changes_sheet
from visionlora.evaluation.labelled_images import images_in_words, labelled_images
from visionlora.evaluation.metrics import class_metrics, contrast_metrics, retention_metrics
from visionlora.evaluation.mirrored import Mirrored
from visionlora.evaluation.other_images import contrast_images, old_images
from visionlora.evaluation.predictions import Predictions, predict_batches
from visionlora.evaluation.rank_curve import measure_rank_curve
from visionlora.evaluation.selected import selected_on
from visionlora.evaluation.strength_curve import measure_strength_curve
from visionlora.files import replacing, require_all_writable
from visionlora.models.classes import outputs_of_labels
from visionlora.models.restore import TrainedModel
from visionlora.models.several_adapters import restore_adapters
from visionlora.notices import Notices
from visionlora.plain_table import show
from visionlora.report.metrics_file import NOT_MEASURED, SELECTED, write_metrics
from visionlora.report.progress import progress
from visionlora.report.rank_table import rank_curve_table
from visionlora.report.strength_curve import strength_curve_figure, strength_curve_table
from visionlora.report.tables import changes_table, evaluation_table
from visionlora.tasks.choose import task_of
from visionlora.text import in_words, printable


def evaluate_adapter(
    options: EvaluateConfig,
    retention_root: str | None = AUTO,
    contrast_root: str | None = AUTO,
) -> dict[str, Any]:
    """Measure an adapter, show the figures, and write them where asked for; returns what ``output`` holds.

    Args:
        options: which adapter and images.
        retention_root: old images; ``auto``: those of the adapters' runs, else the network's own; None: not
            measured.
        contrast_root: negative images; ``auto``: those of the adapters' runs; None: not measured.
    """
    require_all_writable(output=options.output, sheet=options.sheet, figure=options.figure)
    console = Console()
    several = any(gives_several_labels(adapter) for adapter in options.adapters)
    if several:
        refuse_for_labels(options, retention_root, contrast_root)
    images, judged_on, left_out = labelled_images(options.data, options.adapters, several)
    console.print(f"[dim]·[/dim] evaluated on {escape(images_in_words(len(images), judged_on, left_out))}")
    restored = _restore(options, console)
    if several:
        labels = label_targets(restored, images)
        loader = _loader(restored, images, labels, options.data.batch_size)
        now, _ = _predict(restored, loader, options.mirrored)
        selected = selected_on(options.adapters, images, "val")
        metrics = label_metrics(restored, now, judged_on, left_out, selected)
        show_labels(metrics, console)
    else:
        about = {
            "task": "single_label", "images": len(images), "judged_on": judged_on, "left_out": left_out,
        }  # fmt: skip
        inputs = _inputs(restored, images, options, retention_root, contrast_root, Notices(console).say)
        metrics = about | _evaluate_classes(restored, inputs, options, console)
    if options.output:
        write_metrics(Path(options.output), metrics)
    if written := [file for file in (options.output, options.sheet, options.figure) if file]:
        console.print(Text(f"written to {printable(in_words(written))}"))
    return metrics


@dataclass(frozen=True)
class _Inputs:
    """What a network with one class an image is measured on; a loader of no images is None.

    Attributes:
        images: of the trained classes.
        outputs: of these classes.
        old: images of what the network knew before.
        others: negative images.
    """

    images: Sequence[ImageFile]
    loader: ImageLoader
    outputs: Sequence[int]
    old: Sequence[ImageFile]
    old_loader: ImageLoader | None
    others: Sequence[ImageFile]
    contrast_loader: ImageLoader | None


def _restore(options: EvaluateConfig, console: Console) -> TrainedModel:
    """The network with its adapters, at the one strength, or at 1 where several are asked for."""
    several = len(options.strengths) > 1
    strength = 1.0 if several else options.strengths[0]
    if several:
        console.print("[dim]·[/dim] the figures before the table of strengths are at strength 1")
    restored = restore_adapters(
        options.adapters, options.adapter_weights, strength, options.model, options.weights
    )
    if restored.backbone.notice is not None:
        console.print(f"[dim]·[/dim] {escape(restored.backbone.notice)}")
    restored.network.to(choose_device("auto"))
    return restored


def _inputs(
    restored: TrainedModel,
    images: Sequence[ImageFile],
    options: EvaluateConfig,
    retention_root: str | None,
    contrast_root: str | None,
    say: Callable[[str], None],
) -> _Inputs:
    size = options.data.batch_size
    targets = _targets(restored, images)
    loader = _loader(restored, images, targets, size)
    old = old_images(restored, retention_root, options.adapters, say)
    old_loader = _loader(restored, old, _targets(restored, old), size) if old else None
    others = contrast_images(restored, contrast_root, options.adapters, say)
    contrast_loader = _loader(restored, others, None, size) if others else None
    outputs = sorted(set(targets.values()))
    return _Inputs(images, loader, outputs, old, old_loader, others, contrast_loader)


def _evaluate_classes(
    restored: TrainedModel, inputs: _Inputs, options: EvaluateConfig, console: Console
) -> dict[str, Any]:
    """The figures of a network with one class an image, shown, and with their curves where asked for."""
    updates = decompose_updates(restored.network) if options.rank_curve else None
    if updates == {}:
        raise VisionLoraError(
            "rank_curve: the adapter updates no weight (it may have only new blocks), so it has no rank"
        )
    now, before = _predict(restored, inputs.loader, options.mirrored)
    changes = _changes(restored, inputs.old_loader, options.mirrored)
    frozen = changes.frozen if changes else None
    metrics: dict[str, Any] = {
        SELECTED: selected_on(options.adapters, inputs.images, "val"),
        **class_metrics(now, before, restored.head.outputs, inputs.outputs),
        "retention": retention_metrics(
            changes, restored.head.targets, selected_on(options.adapters, inputs.old, "retention")
        ),
        "contrast": _contrast_metrics(restored, options, inputs.others, inputs.contrast_loader),
    }
    shown = {"images": len(inputs.images), **metrics}
    show(evaluation_table(shown, len(restored.head.outputs)), console)
    if metrics["retention"] != NOT_MEASURED:
        show(changes_table(metrics["retention"]), console)
    if updates is not None:
        metrics["rank_curve"] = measure_rank_curve(
            restored.network, updates, inputs.loader, inputs.old_loader, frozen
        )
        show(rank_curve_table(metrics["rank_curve"]), console)
    if len(options.strengths) > 1:
        metrics["strength_curve"] = measure_strength_curve(
            restored.network,
            options.strengths,
            inputs.loader,
            inputs.old_loader,
            inputs.contrast_loader,
            frozen,
            restored.head.targets,
        )
        show(strength_curve_table(metrics["strength_curve"]), console)
        if options.figure:
            counts = {"learned": inputs.images, "kept": inputs.old, "false_positive_rate": inputs.others}
            drawn = strength_curve_figure(
                metrics["strength_curve"], {key: len(images) for key, images in counts.items()}
            )
            with replacing(options.figure) as path:
                drawn.savefig(path, dpi=120, format="png")
    if options.sheet:
        changes_sheet(changes, inputs.old, Path(options.sheet))
    return metrics


def _targets(restored: TrainedModel, images: Sequence[ImageFile]) -> dict[str, int]:
    """The output of each class of the images."""
    return outputs_of_labels(images, restored.head.outputs, restored.wnids)


def _loader(
    restored: TrainedModel, images: Sequence[ImageFile], targets: dict[str, int] | None, batch_size: int
) -> ImageLoader:
    """Batches of the images, all of which can be read."""
    with progress(Console(stderr=True), "reading images") as advance:
        refuse(find_bad(images, progress=advance))
    return make_loader(ImageDataset(images, restored.backbone.preprocessing, targets=targets), batch_size)


def _predict(
    restored: TrainedModel, loader: ImageLoader, mirrored: bool
) -> tuple[Predictions, Predictions | None]:
    """The adapted network's predictions, and the frozen one's where it has the same outputs."""
    network = Mirrored(restored.network, task_of(restored)) if mirrored else restored.network
    with merged(restored.network):
        now = predict_batches(network, loader)
    if restored.head.kind == "new":
        return now, None
    with adapters_off(restored.network):
        before = predict_batches(network, loader)
    # Outputs that were added to the head are trained whole: without the adapters they still are.
    return now, before.muted(len(restored.backbone.categories))


def _changes(restored: TrainedModel, loader: ImageLoader | None, mirrored: bool) -> Changes | None:
    """The changes on the old images; None where there are none."""
    if loader is None:
        return None
    now, before = _predict(restored, loader, mirrored)
    assert before is not None
    return Changes(before.first(len(restored.backbone.categories)), now, restored.head.outputs)


def _contrast_metrics(
    restored: TrainedModel, options: EvaluateConfig, images: Sequence[ImageFile], loader: ImageLoader | None
) -> dict[str, Any] | str:
    if loader is None:
        return NOT_MEASURED
    now, before = _predict(restored, loader, options.mirrored)
    selected = selected_on(options.adapters, images, "contrast")
    return contrast_metrics(before, now, restored.head.targets, selected)
