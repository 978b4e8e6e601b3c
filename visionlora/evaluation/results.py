"""What a run changed: new, old and contrast images, before and after, in ``metrics.json``'s words."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from visionlora.adapters import adapter_parameters, merged
from visionlora.evaluation.forgetting import Changes
from visionlora.evaluation.predictions import Answers, answers
from visionlora.report.intervals import with_interval
from visionlora.report.metrics_file import NOT_MEASURED
from visionlora.training.setup import Job

LIBRARIES = ("visionlora", "torch", "torchvision", "lightning")


@dataclass(frozen=True)
class Look:
    """The network's answers on the three kinds of images, and on anchors held out, at one moment."""

    validation: Answers
    retention: Answers | None
    contrast: Answers | None
    held_out: Answers | None = None

    def parts(self) -> list[Answers]:
        """The kinds that there are."""
        kinds = (self.validation, self.retention, self.contrast, self.held_out)
        return [part for part in kinds if part is not None]


def look(job: Job) -> Look:
    """Ask the network, with its adapters merged, about every image that the run is judged on."""
    with merged(job.network):
        return Look(
            validation=answers(job.network, job.val_loader, job.rest),
            retention=answers(job.network, job.retention_loader, job.rest) if job.retention_loader else None,
            contrast=answers(job.network, job.contrast_loader, job.rest) if job.contrast_loader else None,
            held_out=answers(job.network, job.held_out.batches(job.data.batch_size))
            if job.held_out
            else None,
        )


def outcome(
    job: Job,
    before: Look,
    after: Look,
    strength: Mapping[str, Any],
    times: Mapping[str, float],
    precision: str,
    folded_batch_norms: int,
    steps: int,
    features: Mapping[str, Any] | None = None,
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
        "ranks": job.lora.rank,
        "pictures": job.image_counts(),
        "before": validation_figures(before.validation),
        "after": validation_figures(after.validation),
        "retention": retention_figures(changes(job, before, after), job.head.targets),
        "contrast": contrast_figures(before.contrast, after.contrast, job.head.targets),
        "strength": dict(strength),
        "time": {key: round(value, 3) for key, value in times.items()},
        "steps": steps,
        "precision": precision,
        "folded_batch_norms": folded_batch_norms,
        "features": dict(features) if features else "computed at every step",
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


def changes(job: Job, before: Look, after: Look) -> Changes | None:
    """What became of the old images; None where there are none."""
    if before.retention is None or after.retention is None:
        return None
    return Changes(before.retention.first(len(job.backbone.categories)), after.retention, job.head.outputs)


def forgotten(frozen: Answers, now: Answers) -> float:
    """Top-1 lost on labelled images; on unlabelled ones what the frozen network believes was lost.

    Args:
        frozen: the frozen network's answers, over its own outputs.
        now: the adapted network's answers.
    """
    return frozen.top(1) - now.top(1) if frozen.labelled else now.estimated_lost(frozen)


def retention_figures(changes: Changes | None, targets: Sequence[int]) -> dict[str, Any] | str:
    """How much of what the network knew it still knows, and which classes it does not.

    Args:
        changes: its answers about old images; None where there are none.
        targets: the outputs of the trained classes.
    """
    if changes is None:
        return NOT_MEASURED
    frozen, after = changes.frozen, changes.now
    count = len(frozen.labels)
    figures: dict[str, Any] = {"pictures": count, "labelled": frozen.labelled}
    if frozen.labelled:
        figures |= with_interval("before/top1", frozen.top(1), count)
        figures |= with_interval("after/top1", after.top(1), count)
    return {
        **figures,
        "lost": forgotten(frozen, after),
        "estimated_lost": after.estimated_lost(frozen),
        **with_interval("agreement", after.agreement(frozen), count),
        "divergence": after.divergence(frozen),
        "changes": changes.figures(targets),
    }


def contrast_figures(
    before: Answers | None, after: Answers | None, targets: tuple[int, ...]
) -> dict[str, Any] | str:
    """How many images of other things get one of the trained names."""
    if before is None or after is None:
        return NOT_MEASURED
    count = len(before.labels)
    return {
        "pictures": count,
        **with_interval("before/false_positive_rate", before.share_named(targets), count),
        **with_interval("after/false_positive_rate", after.share_named(targets), count),
    }


def validation_figures(seen: Answers) -> dict[str, Any]:
    """The scores, every accuracy with its interval."""
    figures: dict[str, Any] = {}
    for name, value in seen.scores().items():
        figures |= {name: value} if name == "val/loss" else with_interval(name, value, len(seen.labels))
    return figures
