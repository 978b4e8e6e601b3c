"""What a run that continues from an adapter keeps of everything that was known before the first run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from visionlora.adapters import merged
from visionlora.evaluation.images import Batches, Evaluation, EvaluationImages
from visionlora.evaluation.metrics import top1_lost
from visionlora.evaluation.predictions import Predictions, predict_batches
from visionlora.models import load_backbone
from visionlora.models.earlier import EarlierAdapter
from visionlora.notices import Notices
from visionlora.report.intervals import with_interval
from visionlora.report.metrics_file import NOT_MEASURED, read_metrics


@dataclass(frozen=True)
class EarlierKnowledge:
    """What there was to keep.

    Attributes:
        adapter: that the run continues from; None: it continues from none, and there is nothing.
        original: the original network's predictions for the old images; None where there are none.
        images: of the adapter's classes; None where there are none.
        before: the predictions for them before training.
    """

    adapter: EarlierAdapter | None
    original: Predictions | None = None
    images: Batches | None = None
    before: Predictions | None = None

    def lost(self, evaluation: Evaluation) -> float | None:
        """The original network's top-1 that is lost, or its estimate, by all runs; None: not measured."""
        now = evaluation.held_out if evaluation.retention is None else evaluation.retention
        return None if self.original is None or now is None else top1_lost(self.original, now)

    def budget_left(self, budget: float | None, before: Evaluation, notices: Notices) -> float | None:
        """What is left of ``retention.budget``, which is for all runs together; None: there is no budget.

        Args:
            budget: the share of the original network's top-1 that may be lost.
            before: the predictions with the earlier adapter.
            notices: where it is announced.
        """
        lost = self.lost(before)
        if budget is None or lost is None:
            return budget
        left = min(budget, max(0.0, budget - lost))  # what earlier runs gained may not be lost again
        notices.say(
            f"earlier runs lost {lost:.3f} of the original network's top-1: of retention.budget={budget:g}, "
            f"which is for all runs together, {left:.3f} is left"
        )
        return left

    def metrics(self, network: nn.Module, before: Evaluation, after: Evaluation) -> dict[str, Any]:
        """``{"earlier": ...}`` for ``metrics.json``; empty where no adapter is continued.

        Args:
            network: trained, the adapter at its strength.
            before: the predictions with the earlier adapter.
            after: the predictions now.
        """
        if self.adapter is None:
            return {}
        now = None if self.images is None else _predictions(network, self.images)
        learned = _learned(self.adapter.directory.parent / "metrics.json")
        lost = {name: self.lost(at) for name, at in (("lost_before", before), ("lost", after))}
        classes = [
            {"class": name, **_class_metrics(target, self.before, now, learned.get(name))}
            for name, target in zip(self.adapter.classes, self.adapter.head.targets, strict=True)
        ]
        figures = {name: NOT_MEASURED if value is None else value for name, value in lost.items()}
        return {"earlier": {"adapter": str(self.adapter.directory), **figures, "classes": classes}}


def earlier_knowledge(
    adapter: EarlierAdapter | None, images: EvaluationImages, network: nn.Module
) -> EarlierKnowledge:
    """Measure what there is to keep, where an adapter is continued.

    Args:
        adapter: the adapter; None: none is.
        images: what the run is judged by; the original network, which is loaded for that alone, predicts the
            old ones.
        network: before training.
    """
    if adapter is None:
        return EarlierKnowledge(None)
    before = None
    if images.earlier is not None:
        before = _predictions(network, images.earlier).first(len(adapter.head.outputs))
    old = images.held_out if images.retention is None else images.retention
    if old is None or adapter.head.kind == "new":
        return EarlierKnowledge(adapter, None, images.earlier, before)
    original = load_backbone(adapter.original.name, adapter.original.weights, progress=False).model
    original.to(next(network.parameters()).device)
    return EarlierKnowledge(adapter, predict_batches(original, old), images.earlier, before)


def _predictions(network: nn.Module, images: Batches) -> Predictions:
    with merged(network):
        return predict_batches(network, images)


def _class_metrics(
    target: int, before: Predictions | None, after: Predictions | None, learned: float | None
) -> dict[str, Any]:
    own = None if before is None else before.labels == target
    if before is None or after is None or own is None or not own.any():
        return {
            "images": 0,
            **dict.fromkeys(("learned", "before/top1", "after/top1", "kept"), NOT_MEASURED),
        }
    count, last = int(own.sum()), after.subset(own).top(1)
    had = before.subset(own).top(1) if learned is None else learned
    return {
        "images": count,
        "learned": had,
        **with_interval("before/top1", before.subset(own).top(1), count),
        **with_interval("after/top1", last, count),
        "kept": last / had if had else NOT_MEASURED,
    }


def _learned(metrics: Path) -> dict[str, float]:
    """Top-1 of each class when it was learned, where the earlier run continued from an adapter itself."""
    earlier: Mapping[str, Any] = read_metrics(metrics).get("earlier", {}) if metrics.is_file() else {}
    figures = {one["class"]: one["learned"] for one in earlier.get("classes", ())}
    return {name: figure for name, figure in figures.items() if figure != NOT_MEASURED}
