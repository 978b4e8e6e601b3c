"""Two-fold cross-fitting of a choice: made on one half of the images, reported on the other, and the reverse.

No image chooses what its own figure is measured with, every image is used, and none twice (sample splitting
as in Chernozhukov et al. 2018, https://arxiv.org/abs/1608.00060, section 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from visionlora.evaluation.images import Evaluation
from visionlora.evaluation.metrics import accuracy_metrics, contrast_metrics, top1_lost
from visionlora.evaluation.predictions import Predictions
from visionlora.report.intervals import with_interval
from visionlora.report.metrics_file import NOT_MEASURED, SELECTED
from visionlora.tasks.single_label import SingleLabel

FEWEST = 4
"""Images of a kind; with fewer, half of them measure nothing."""
KINDS = ("validation", "retention", "contrast", "held_out")


def first_half(predictions: Predictions) -> Tensor:
    """Which images the first half has: bool, (images,). Those of each class alternate."""
    chosen = torch.zeros(len(predictions), dtype=torch.bool)
    place = 0  # where one class ends the next goes on: both halves stay even
    labels = predictions.labels[:: predictions.views]
    for label in labels.unique().tolist():
        for index in (labels == label).nonzero()[:, 0].tolist():
            chosen[index] = place % 2 == 0
            place += 1
    return chosen


class Halves:
    """Both halves of what a run is judged by.

    Args:
        whole: predictions for all images; only their labels count.
    """

    def __init__(self, whole: Evaluation) -> None:
        kinds = {kind: getattr(whole, kind) for kind in KINDS}
        self.masks = {kind: first_half(images) for kind, images in kinds.items() if images is not None}

    @property
    def enough(self) -> bool:
        """Whether there are images enough of every kind."""
        return all(len(mask) >= FEWEST for mask in self.masks.values())

    def first(self, whole: Evaluation) -> Evaluation:
        """The predictions for the images of the first half."""
        return self._half(whole, self.masks)

    def second(self, whole: Evaluation) -> Evaluation:
        """The predictions for the others."""
        return self._half(whole, {kind: ~mask for kind, mask in self.masks.items()})

    def _half(self, whole: Evaluation, masks: Mapping[str, Tensor]) -> Evaluation:
        kinds = {kind: getattr(whole, kind) for kind in masks}
        parts = {kind: one.subset(masks[kind]) for kind, one in kinds.items() if one is not None}
        return Evaluation(**parts)

    def joined(self, first: Evaluation, second: Evaluation) -> Evaluation:
        """The predictions of ``first`` for the images of the first half, of ``second`` for the others."""
        parts = {}
        for kind, mask in self.masks.items():
            one, other = getattr(first, kind), getattr(second, kind)
            if one is not None and other is not None:
                rows = mask.repeat_interleave(one.views)[:, None]
                parts[kind] = replace(one, logits=torch.where(rows, one.logits, other.logits))
        return Evaluation(**parts)


def cross_fitted_metrics(before: Evaluation, now: Evaluation, targets: Sequence[int]) -> dict[str, Any]:
    """The figures of images that did not choose the weights and the strength they are measured with.

    Args:
        before: the frozen network's predictions, old knowledge over its own outputs.
        now: each half predicted with what the other half chose.
        targets: the outputs of the trained classes.
    """
    # The halves have one training in common, whose best checkpoint all validation images chose.
    validation = accuracy_metrics(SingleLabel(), now.validation, ["checkpoint"], {})
    retention: dict[str, Any] | str = NOT_MEASURED
    frozen, old = before.retention, now.retention
    if frozen is not None and old is not None:
        top1 = with_interval("after/top1", old.top(1), len(old)) if old.labelled else {}
        lost = top1_lost(frozen, old)
        retention = {"images": len(old), **top1, "lost": lost, SELECTED: []}
    contrast = contrast_metrics(before.contrast, now.contrast, targets, [])
    return {"validation": validation, "retention": retention, "contrast": contrast}
