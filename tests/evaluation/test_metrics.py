"""The figures of images, with what the images chose."""

from __future__ import annotations

import pytest
import torch

from visionlora.evaluation.metrics import accuracy_metrics, validation_metrics
from visionlora.evaluation.predictions import Predictions
from visionlora.tasks.single_label import SingleLabel

TASK = SingleLabel()
NAMES = {0: "ant", 1: "bee", 2: "crab"}


def predictions(labels: list[int], said: list[int]) -> Predictions:
    return Predictions(torch.eye(3)[said] * 9, torch.tensor(labels))


def test_a_class_with_few_images_counts_as_much_as_one_with_many() -> None:
    many_ants = predictions([0] * 9 + [1], [0] * 10)
    metrics = validation_metrics(TASK, many_ants, ["checkpoint"], NAMES)
    assert metrics["val/top1"] == pytest.approx(0.9)
    assert metrics["val/balanced_accuracy"] == pytest.approx(0.5)
    assert {name: one["images"] for name, one in metrics["per_class"].items()} == {"ant": 9, "bee": 1}
    assert metrics["per_class"]["bee"]["top1"] == 0
    assert metrics["per_class"]["ant"]["top1_interval"][1] == 1
    assert metrics["selected_on_these_images"] == ["checkpoint"]


def test_one_class_has_no_figures_by_class() -> None:
    assert {"per_class", "val/balanced_accuracy"}.isdisjoint(
        validation_metrics(TASK, predictions([0, 0], [0, 1]), [], NAMES)
    )


def test_images_that_are_not_there_are_not_measured() -> None:
    assert accuracy_metrics(TASK, None, [], {}) == "not measured"
    assert validation_metrics(TASK, None, ["checkpoint"], {})["val/top1"] == "not measured"
    figures = accuracy_metrics(TASK, predictions([0, 1], [0, 0]), [], NAMES)
    assert isinstance(figures, dict)
    assert (figures["images"], figures["top1"], figures["balanced_accuracy"]) == (2, 0.5, 0.5)
