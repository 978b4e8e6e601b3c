"""What a finished run writes: the adapter, its model card, metrics, figures, and sheets of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger, TensorBoardLogger
from PIL import Image
from rich.console import Console
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter

from visionlora.adapters import peft_refusal, read_adapter_config
from visionlora.adapters.update_size import update_sizes
from visionlora.data import ImageDataset, ImageFile, ImageFolder, ImageLoader
from visionlora.evaluation.classification_report import image_losses, mistakes_first, report_classes
from visionlora.evaluation.forgetting import TOP, BeforeAfter, changes_sheet
from visionlora.evaluation.heat_maps import heat_maps
from visionlora.evaluation.images import Batches, Evaluation
from visionlora.evaluation.predictions import Predictions
from visionlora.files import replacing
from visionlora.models.adapted import AdaptedNetwork
from visionlora.plain_table import show
from visionlora.report.classification_report import ClassificationReport, write_classes
from visionlora.report.figures import confusion_figure, strength_figure, update_size_figure
from visionlora.report.label_figures import label_figures, labels_markdown, labels_table, write_labels
from visionlora.report.metrics_file import (
    NO_VALIDATION,
    NOT_MEASURED,
    SELECTED,
    flatten,
    has_several_labels,
    write_metrics,
)
from visionlora.report.model_card import changes_markdown, model_card
from visionlora.report.preview import write_preview
from visionlora.report.run_page import HeatMap, RunReport, write_run_page
from visionlora.report.sheet import PredictionRow, before_after_sheet
from visionlora.report.summary import summary_table
from visionlora.report.tables import changes_table, earlier_table
from visionlora.run_folder.loggers import close_logger
from visionlora.run_folder.names import CONFIG
from visionlora.tasks.base import Task
from visionlora.text import printable
from visionlora.training.config import RunConfig
from visionlora.training.setup import RunSetup

GROUPS = ("lora", "optimizer", "retention", "augment")
"""Groups of the configuration that TensorBoard lists as hyperparameters."""
_UNFINISHED = {f"whole_run/time/{name}" for name in ("writing_s", "total_s", "core_s")}
"""What is known when the results are written; ``metrics.json`` has it."""

HEAT_MAPS = 6
"""Validation images whose Grad-CAM is in the report."""


def write_outputs(
    folder: Path,
    setup: RunSetup,
    task: Task,
    evaluations: BeforeAfter,
    metrics: Mapping[str, Any],
    logger: Logger,
) -> None:
    """Write everything that is neither written while training nor the adapter itself.

    Args:
        folder: of the run.
        setup: of the run.
        task: what was learned, with what the validation images chose for it.
        evaluations: the predictions before and after training.
        metrics: the content of ``metrics.json``.
        logger: of the run; it is closed.
    """
    before, after, changes = evaluations.before, evaluations.after, evaluations.changes
    write_metrics(folder / "metrics.json", metrics)
    _write_card(folder / "adapter", setup, metrics)
    adapted = setup.adapted
    class_report = _write_class_figures(folder, adapted, setup.folder.classes, evaluations, metrics)
    ranked = [] if after.validation is None else mistakes_first(after.validation, task)
    rows = _ranked_rows(setup.folder.val, adapted.head.outputs, task, ranked, before, after)
    _write_sheet(rows, before, folder / "before_after.png")
    write_preview(rows, metrics, folder / "adapter" / "preview.png")
    old_images = _images(setup.evaluation_images.retention)
    if metrics["head"] != "new":  # a new head has nothing to forget
        changes_sheet(changes, old_images, folder / "retention_changes.png")
        with replacing(folder / "strength.png") as temporary:
            strength_figure(metrics["strength"]).savefig(temporary, format="png", dpi=120)
    losses = [] if after.validation is None else image_losses(after.validation, task)
    report = RunReport(
        name=folder.name,
        metrics=metrics,
        class_report=class_report,
        images=[(row, losses[place]) for row, place in zip(rows, ranked, strict=True)],
        forgotten=[] if changes is None else changes.rows(old_images),
        heat_maps=_heat_maps(adapted, setup.validation_loader, ranked),
        update_sizes=update_sizes(adapted.network),
        config=(folder / CONFIG).read_text(encoding="utf-8"),
    )
    write_run_page(report, folder / "report.html")
    if isinstance(logger, TensorBoardLogger):
        _write_tensorboard(logger.experiment, report, folder, setup, after.validation)
    _log_hyperparameters(logger, setup.config, adapted.backbone.name, metrics)
    close_logger(logger)


def _write_card(adapter: Path, setup: RunSetup, metrics: Mapping[str, Any]) -> None:
    refusal = peft_refusal(read_adapter_config(adapter))
    card = model_card(metrics, vars(setup.config.lora), date.today().isoformat(), refusal)
    with replacing(adapter / "README.md") as temporary:
        temporary.write_text(card, encoding="utf-8")


def _write_class_figures(
    folder: Path,
    adapted: AdaptedNetwork,
    classes: Sequence[str],
    evaluations: BeforeAfter,
    metrics: Mapping[str, Any],
) -> ClassificationReport | None:
    """Write ``labels.csv`` where images have several labels, otherwise ``classes.csv``, given images to
    measure on. Returns the figures of the classes."""
    if (labels := label_figures(metrics)) is not None:
        write_labels(labels, folder / "labels.csv")
    if has_several_labels(metrics):
        return None
    before, after, selected = evaluations.before, evaluations.after, metrics["after"][SELECTED]
    report = _class_report(adapted, classes, before, after, selected)
    if report is not None:
        write_classes(report, folder / "classes.csv")
    return report


def _class_report(
    adapted: AdaptedNetwork,
    classes: Sequence[str],
    before: Evaluation,
    after: Evaluation,
    selected: Sequence[str],
) -> ClassificationReport | None:
    """The figures of each class on test images or, where there are none, on validation images."""
    targets = adapted.head.targets
    if after.test is not None:
        return report_classes(before.test, after.test, targets, classes, f"{len(after.test)} test images", [])
    if after.validation is None:
        return None
    count = f"{len(after.validation)} validation images"
    return report_classes(before.validation, after.validation, targets, classes, count, selected)


def _ranked_rows(
    images: Sequence[ImageFile],
    outputs: Sequence[str],
    task: Task,
    ranked: Sequence[int],
    before: Evaluation,
    after: Evaluation,
) -> list[PredictionRow]:
    if after.validation is None:
        return []
    rows = prediction_rows(images, outputs, task, before.validation, after.validation)
    return [rows[place] for place in ranked]


def _heat_maps(
    adapted: AdaptedNetwork, loader: ImageLoader | None, ranked: Sequence[int]
) -> Sequence[HeatMap] | str:
    if loader is None or not isinstance(loader.dataset, ImageDataset):
        return "not drawn: there are no validation images"
    # Half of them mistakes, if there are so many; the last of the ranking are the surest.
    half = HEAT_MAPS // 2
    places = [*ranked[:half], *ranked[half:][-half:]]
    return heat_maps(adapted.network, loader.dataset, places, adapted.head.outputs, adapted.old_outputs)


def _write_sheet(rows: Sequence[PredictionRow], before: Evaluation, path: Path) -> None:
    if not rows:
        before_after_sheet([], path, line=NO_VALIDATION)
    elif before.validation is None:
        title = "After training (the head is new: there is no before)"
        before_after_sheet(rows, path, compare=False, title=title, ranked=True)
    else:
        before_after_sheet(rows, path, ranked=True)


def show_summary(metrics: Mapping[str, Any], console: Console) -> None:
    """Show what a run changed."""
    show(summary_table(metrics), console)
    if metrics["retention"] != NOT_MEASURED:
        show(changes_table(metrics["retention"]), console)
    if (labels := label_figures(metrics)) is not None:
        show(labels_table(labels), console)
    if "earlier" in metrics:
        show(earlier_table(metrics["earlier"]), console)


def prediction_rows(
    images: Sequence[ImageFile],
    outputs: Sequence[str],
    task: Task,
    before: Predictions | None,
    after: Predictions,
) -> list[PredictionRow]:
    """Labelled images with their most probable classes before and after.

    Args:
        images: in the order of the predictions.
        outputs: the name of each output.
        task: what was learned.
        before: the frozen network's predictions; None where it has no output for any class.
        after: the adapted network's.
    """
    last = task.shown(after.logits, outputs, TOP)
    first = task.shown(before.logits, outputs, TOP) if before is not None else [None] * len(last)
    truths = task.truths(after.labels, outputs)
    return [
        PredictionRow(path=image.path, truth=truth, before=old, after=new)
        for image, truth, old, new in zip(images, truths, first, last, strict=True)
    ]


def _images(loader: Batches | None) -> tuple[ImageFile, ...]:
    dataset = getattr(loader, "dataset", None)
    return dataset.images if isinstance(dataset, ImageDataset) else ()


def _write_tensorboard(
    board: SummaryWriter, report: RunReport, folder: Path, setup: RunSetup, validation: Predictions | None
) -> None:
    """What the folder and the report show, so far as TensorBoard can show it."""
    for tag in ("images/before_after", "images/retention_changes", "retention/strength"):
        if (path := folder / f"{tag.partition('/')[2]}.png").is_file():  # not of a new head
            _add_png(board, tag, path)
    if report.metrics["head"] != "new":
        board.add_text("retention/changes", changes_markdown(report.metrics["retention"]))
    if not has_several_labels(report.metrics):
        _write_confusion(board, setup.adapted, setup.folder, validation)
    elif (labels := label_figures(report.metrics)) is not None:
        board.add_text("validation/labels", labels_markdown(labels))
    board.add_figure("adapter/update_size", update_size_figure(report.update_sizes))
    # Indented, which is code in Markdown: a text in it could end a fence.
    board.add_text("configuration", "\n".join(f"    {line}" for line in report.config.splitlines()))


def _add_png(board: SummaryWriter, tag: str, path: Path) -> None:
    """Add a file as it is; ``add_image`` would encode its pixels once more."""
    with Image.open(path) as opened:
        (width, height), channels = opened.size, len(opened.getbands())
    image = Summary.Image(
        height=height, width=width, colorspace=channels, encoded_image_string=path.read_bytes()
    )
    board._get_file_writer().add_summary(Summary(value=[Summary.Value(tag=tag, image=image)]), 0)


def _write_confusion(
    board: SummaryWriter, adapted: AdaptedNetwork, folder: ImageFolder, validation: Predictions | None
) -> None:
    if validation is None:
        board.add_text("validation/confusion", NO_VALIDATION)
    else:
        counts = validation.confusion(adapted.head.targets)
        board.add_figure("validation/confusion", confusion_figure(counts, [*folder.classes, "anything else"]))


def _log_hyperparameters(logger: Logger, config: RunConfig, model: str, metrics: Mapping[str, Any]) -> None:
    hyper: dict[str, Any] = {"model": model, "seed": metrics["seed"]}
    for group in GROUPS:
        for key, value in vars(getattr(config, group)).items():
            hyper[f"{group}.{key}"] = value if isinstance(value, (int, float, bool)) else printable(value)
    parts = ("test", "folds", "after", "retention", "contrast", "strength", "parameters", "time")
    final = {name: metrics[name] for name in parts if name in metrics}
    # Some names are those of classes. TensorBoard sorts by name: curves come before the figures of the run.
    figures = {
        printable(name): value
        for name, value in flatten({"whole_run": final}).items()
        if not {"per_class", "per_label"} & set(name.split("/")) and name not in _UNFINISHED
    }
    if isinstance(logger, TensorBoardLogger):
        logger.log_hyperparams(hyper, figures)
    else:
        logger.log_hyperparams(hyper)
        logger.log_metrics(figures)
