"""What a finished run leaves behind: the adapter, its card, the figures, the images."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch.loggers import TensorBoardLogger
from omegaconf import DictConfig, OmegaConf

from visionlora.adapters import adapted_layers, save_adapter
from visionlora.data import ImageDataset, ImageFile, open_image
from visionlora.evaluation.forgetting import changes_sheet
from visionlora.evaluation.predictions import Answers, named
from visionlora.evaluation.results import Look, changes
from visionlora.files import replacing
from visionlora.report.figures import confusion_figure, strength_figure, update_size_figure
from visionlora.report.metrics_file import flatten, write_metrics
from visionlora.report.model_card import changes_markdown, model_card
from visionlora.report.sheet import PredictionRow, before_after_sheet
from visionlora.report.tables import changes_table, show, summary_table
from visionlora.settings import plain
from visionlora.training.setup import Job


def leave(
    folder: Path,
    job: Job,
    config: DictConfig,
    before: Look,
    after: Look,
    metrics: dict[str, Any],
    logger: TensorBoardLogger,
) -> None:
    """Write everything that is not written while training, and show the summary."""
    _save_adapter(folder / "adapter", job, metrics)
    write_metrics(folder / "metrics.json", metrics)
    rows = prediction_rows(job, before.validation, after.validation)
    before_after_sheet(rows, folder / "before_after.png")
    changes_sheet(changes(job, before, after), _old_images(job), folder / "retention_changes.png")
    with replacing(folder / "strength.png") as beside:
        strength_figure(metrics["strength"]).savefig(beside, format="png", dpi=120)
    _fill_tensorboard(logger, folder, job, config, after.validation, metrics)
    show(summary_table(metrics), job.console)
    show(changes_table(metrics["retention"]), job.console)


def _save_adapter(directory: Path, job: Job, metrics: dict[str, Any]) -> None:
    preprocessing = asdict(job.backbone.preprocessing)
    about = {
        "model": job.backbone.name,
        "weights": job.backbone.weights,
        "classes": list(job.folder.classes),
        "head": job.head.kind,
        "preprocessing": preprocessing,
    }
    save_adapter(
        job.network,
        directory,
        base_model=job.backbone.name,
        fingerprint=job.base_fingerprint,
        modules_to_save=job.head.trained,
        extra=about,
    )
    with replacing(directory / "README.md") as beside:
        beside.write_text(model_card(metrics, vars(job.lora)), encoding="utf-8")


def _old_images(job: Job) -> tuple[ImageFile, ...]:
    dataset = job.retention_loader.dataset if job.retention_loader else None
    return dataset.images if isinstance(dataset, ImageDataset) else ()


def prediction_rows(job: Job, before: Answers, after: Answers, top: int = 3) -> list[PredictionRow]:
    """The validation images with their most probable names then and now."""
    outputs = job.head.outputs
    was, now = named(before.logits, outputs, top), named(after.logits, outputs, top)
    truths = [outputs[label] for label in after.labels.tolist()]
    return [
        PredictionRow(path=image.path, truth=truths[place], before=was[place], after=now[place])
        for place, image in enumerate(job.folder.val)
    ]


def update_sizes(job: Job) -> dict[str, float]:
    """For each adapted layer the update's Frobenius norm relative to the weight's."""
    return {
        name: float(layer.update().detach().norm() / layer.base_weight.norm())
        for name, layer in adapted_layers(job.network).items()
    }


def _fill_tensorboard(
    logger: TensorBoardLogger,
    folder: Path,
    job: Job,
    config: DictConfig,
    validation: Answers,
    metrics: dict[str, Any],
) -> None:
    board = logger.experiment
    board.add_text("configuration", "```yaml\n" + OmegaConf.to_yaml(config, resolve=True) + "\n```")
    for name in ("before_after", "retention_changes"):
        sheet = open_image(folder / f"{name}.png")
        board.add_image(f"images/{name}", np.asarray(sheet), 0, dataformats="HWC")
    board.add_text("retention/changes", changes_markdown(metrics["retention"]))
    board.add_figure("retention/strength", strength_figure(metrics["strength"]))
    confusion = confusion_figure(
        validation.confusion(job.head.targets), [*job.folder.classes, "anything else"]
    )
    board.add_figure("validation/confusion", confusion)
    board.add_figure("adapter/update_size", update_size_figure(update_sizes(job)))
    hyper: dict[str, Any] = {"model": job.backbone.name, "seed": job.seed}
    for group in ("lora", "optimizer", "retention", "augment"):
        for key, value in plain(config[group]).items():
            hyper[f"{group}.{key}"] = value if isinstance(value, (int, float, bool, str)) else str(value)
    final = {
        name: metrics[name] for name in ("after", "retention", "contrast", "strength", "parameters", "time")
    }
    logger.log_hyperparams(hyper, flatten({"final": final}))
    logger.finalize("success")
