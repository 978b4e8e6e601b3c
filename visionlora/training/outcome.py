"""What a run changed: new, old and contrast pictures, before and after, in ``metrics.json``'s words."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from visionlora.lora import adapter_parameters, merged
from visionlora.report.metrics_file import NOT_MEASURED
from visionlora.training.assemble import Job
from visionlora.training.measure import Answers, answers

LIBRARIES = ("visionlora", "torch", "torchvision", "lightning")


@dataclass(frozen=True)
class Look:
    """The network's answers on the three kinds of pictures, at one moment."""

    validation: Answers
    retention: Answers | None
    contrast: Answers | None


def look(job: Job) -> Look:
    """Ask the network, with its adapters merged, about every picture that the run is judged on."""
    with merged(job.network):
        return Look(
            validation=answers(job.network, job.val_loader),
            retention=answers(job.network, job.retention_loader) if job.retention_loader else None,
            contrast=answers(job.network, job.contrast_loader) if job.contrast_loader else None,
        )


def outcome(
    job: Job,
    before: Look,
    after: Look,
    times: Mapping[str, float],
    precision: str,
    folded_batch_norms: int,
    steps: int,
) -> dict[str, Any]:
    """The content of ``metrics.json``."""
    return {
        "model": {
            "asked": job.backbone.requested,
            "used": job.backbone.name,
            "weights": job.backbone.weights,
        },
        "classes": list(job.folder.classes),
        "head": job.head.kind,
        "notices": list(job.notices),
        "parameters": parameter_counts(job),
        "pictures": job.picture_counts(),
        "before": before.validation.scores(),
        "after": after.validation.scores(),
        "retention": retention_figures(before.retention, after.retention),
        "contrast": contrast_figures(before.contrast, after.contrast, job.head.targets),
        "time": {key: round(value, 3) for key, value in times.items()},
        "steps": steps,
        "precision": precision,
        "folded_batch_norms": folded_batch_norms,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
        "seed": job.seed,
    }


def parameter_counts(job: Job) -> dict[str, int]:
    """Numbers of parameters, and the adapter's size in bytes as stored."""
    parameters = list(job.network.parameters())
    return {
        "total": sum(parameter.numel() for parameter in parameters),
        "trainable": sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
        "adapter_bytes": sum(parameter.nbytes for parameter in adapter_parameters(job.network)),
    }


def retention_figures(before: Answers | None, after: Answers | None) -> dict[str, Any] | str:
    """How much of what the network knew it still knows."""
    if before is None or after is None:
        return NOT_MEASURED
    return {
        "before/top1": before.top(1),
        "after/top1": after.top(1),
        "agreement": after.agreement(before),
        "pictures": len(before.labels),
    }


def contrast_figures(
    before: Answers | None, after: Answers | None, targets: tuple[int, ...]
) -> dict[str, Any] | str:
    """How many pictures of other things get one of the trained names."""
    if before is None or after is None:
        return NOT_MEASURED
    return {
        "before/false_positive_rate": before.share_named(targets),
        "after/false_positive_rate": after.share_named(targets),
        "pictures": len(before.labels),
    }
