"""The content of ``metrics.json``."""

from __future__ import annotations

import importlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from visionlora.adapters import adapter_parameters
from visionlora.data import ImageFolder
from visionlora.evaluation.forgetting import BeforeAfter
from visionlora.evaluation.metrics import (
    accuracy_metrics,
    contrast_metrics,
    retention_metrics,
    validation_metrics,
)
from visionlora.evaluation.strength import Candidates, StrengthSelection
from visionlora.frozen.growth import growth_parameters
from visionlora.phases import seconds_so_far
from visionlora.report.metrics_file import SELECTED
from visionlora.tasks.base import Chosen
from visionlora.training.setup import RunSetup

Trials = list[dict[str, float | None]]
"""``lr`` and ``val/objective`` of each trial of ``optimizer.lr=auto``; None: it diverged."""
LIBRARIES = ("visionlora", "torch", "torchvision", "lightning", "numpy", "PIL")


@dataclass(frozen=True)
class TrainingResult:
    """How training went.

    Attributes:
        precision: as Lightning calls it.
        steps: optimizer steps taken.
        folded_batch_norms: how many were folded into convolutions.
        features: the feature cache; None: there is none.
        lr: the learning rate.
        lr_trials: what ``optimizer.lr=auto`` tried.
        weights: those that the run may deliver.
        objectives: ``val/objective`` of some of them.
        times: of its steps, in milliseconds and images a second.
    """

    precision: str
    steps: int
    folded_batch_norms: int
    features: Mapping[str, Any] | None
    lr: float | str | None
    lr_trials: Trials
    weights: Candidates
    objectives: Mapping[str, Any]
    times: dict[str, float | str]


def build_metrics(
    setup: RunSetup,
    chosen: Chosen,
    evaluations: BeforeAfter,
    selection: StrengthSelection,
    result: TrainingResult,
    notices: list[str],
) -> dict[str, Any]:
    """The content of ``metrics.json``.

    Args:
        setup: of the run.
        chosen: what was learned, with what the validation images chose for it.
        evaluations: the predictions before and after training.
        selection: the adapter's weights and strength.
        result: how training went.
        notices: what the user was told.
    """
    backbone, head, names, task = setup.adapted.backbone, setup.adapted.head, setup.names, chosen.task
    before, after = evaluations.before, evaluations.after
    selected = selections(setup.folder, selection, result, chosen.what)
    delivered, quantised = setup.adapted.delivered(), setup.adapted.quantised
    return {
        "task": task.name,
        "model": {"asked": backbone.requested, "used": backbone.name, "weights": backbone.weights},
        "classes": list(setup.folder.classes),
        "head": delivered.head.kind,
        "quantised": quantised.as_metrics() if quantised else "the base is dense",
        "notices": list(notices),
        "parameters": parameter_counts(setup.adapted.network, delivered.network),
        "ranks": setup.config.lora.rank,
        "images": _image_counts(setup),
        "before": validation_metrics(task, before.validation, [], names),
        "after": validation_metrics(task, after.validation, selected["validation"], names),
        "test": {
            "before": accuracy_metrics(task, before.test, [], names),
            "after": accuracy_metrics(task, after.test, [], names),
        },
        "retention": retention_metrics(evaluations.changes, head.targets, selected["retention"]),
        "contrast": contrast_metrics(before.contrast, after.contrast, head.targets, selected["contrast"]),
        "cross_fitted": chosen.cross_fitted or selection.cross_fitted,
        "strength": dict(selection.metrics),
        "time": times_so_far(result.times),
        "steps": result.steps,
        "precision": result.precision,
        "folded_batch_norms": result.folded_batch_norms,
        "features": dict(result.features) if result.features else "computed at every step",
        "versions": versions(),
        "seed": setup.config.seed,
        "candidates": {
            **result.objectives,
            "taken": selection.candidate,
            SELECTED: selected["validation"],
        },
        "learning_rate": _learning_rate(result, setup.config.optimizer.adapter_factor),
    }


def _learning_rate(result: TrainingResult, adapter_factor: float | None) -> dict[str, Any]:
    return {
        "used": result.lr,
        "adapter_factor": adapter_factor,
        "tried": result.lr_trials,
        SELECTED: ["learning rate"] if result.lr_trials else [],
    }


def _image_counts(setup: RunSetup) -> dict[str, int]:
    return {
        "train": len(setup.folder.train),
        "val": len(setup.folder.val),
        "test": len(setup.folder.test),
        "anchors": len(setup.teacher.stream.anchors) if setup.teacher else 0,
    }


def selections(
    folder: ImageFolder, selection: StrengthSelection, result: TrainingResult, decoding: Sequence[str] = ()
) -> dict[str, list[str]]:
    """What the images of each kind have chosen in this run: figures on them are a little too good.

    ``decoding`` is what the validation images chose besides weights and strength.
    """
    trained_on = ["trained on"] if set(folder.val) & set(folder.train) else []
    rate = ["learning rate"] if result.lr_trials else []
    several = ["weights"] if len(result.weights) > 1 else []
    budget = selection.metrics["budget"]
    chosen = [*several, "strength"] if selection.metrics["curve"] else []
    return {
        "validation": [*trained_on, *rate, "checkpoint", *(chosen or several), *decoding]
        if folder.val
        else [],
        "retention": chosen if budget["retention"] is not None else [],
        "contrast": chosen if budget["contrast"] is not None else [],
    }


def versions() -> dict[str, str]:
    """The versions of Python and of the libraries."""
    # From modules, not from installed distributions: the package may run from a source tree.
    modules = {name: importlib.import_module(name) for name in LIBRARIES}
    return {
        "python": platform.python_version(),
        **{name: str(module.__version__) for name, module in modules.items()},
    }


def times_so_far(steps: Mapping[str, float | str]) -> dict[str, float | str]:
    """``time`` of ``metrics.json``: the seconds of each phase until now, and what is known of the steps."""
    times = {**seconds_so_far(), **steps}
    return {key: value if isinstance(value, str) else round(value, 3) for key, value in times.items()}


def parameter_counts(network: nn.Module, delivered: nn.Module) -> dict[str, int]:
    """Numbers of parameters, and the adapter's size in bytes as stored.

    Args:
        network: as it was trained.
        delivered: holds the adapter that is stored, an earlier one that it continues included.
    """
    parameters = list(network.parameters())
    return {
        "total": sum(parameter.numel() for parameter in parameters),
        "trainable": sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
        "adapter_bytes": sum(
            parameter.nbytes for parameter in (*adapter_parameters(delivered), *growth_parameters(delivered))
        ),
    }
