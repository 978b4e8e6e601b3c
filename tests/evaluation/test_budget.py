"""A budget is a share of images, and images come whole."""

from __future__ import annotations

import pytest
import torch

from visionlora.evaluation.budget import Budget, Budgets, StrengthPoint, in_whole_images, largest_plausible
from visionlora.evaluation.predictions import Predictions
from visionlora.report.intervals import wilson_interval


@pytest.mark.parametrize(
    ("budget", "images", "may_go"), [(0.01, 120, 2), (0.01, 100, 1), (0.02, 150, 3), (0.0, 9, 0)]
)
def test_a_budget_is_counted_in_whole_images(budget: float, images: int, may_go: int) -> None:
    judges = Predictions(torch.eye(images), torch.arange(images))
    allowed = in_whole_images(budget, images)
    for gone in (may_go, may_go + 1):
        now = Predictions(judges.logits, torch.arange(images).where(torch.arange(images) >= gone, images - 1))
        assert (judges.top(1) - now.top(1) <= allowed) == (gone == may_go)


@pytest.mark.parametrize(("budget", "images", "most"), [(0.05, 48, 5), (0.01, 120, 3), (0.01, 10_000, 119)])
def test_the_largest_plausible_share_is_the_last_whose_interval_holds_the_budget(
    budget: float, images: int, most: int
) -> None:
    allowed = largest_plausible(budget, images)
    assert [count / images <= allowed for count in (most, most + 1)] == [True, False]
    held = [wilson_interval(count / images, images)[0] <= budget for count in (most, most + 1)]
    assert held == [True, False]


def test_a_loss_has_the_interval_of_its_images_and_a_gain_is_no_loss() -> None:
    allowed = Budget(0.01, 0.05)
    budgets = Budgets(allowed, allowed, allowed, old=120, contrast=48)
    lost = budgets.intervals(StrengthPoint(1.0, 1.0, 2 / 120, {}, 4 / 48))
    assert lost["lost"] == wilson_interval(2 / 120, 120)
    assert lost["false_positives"] == wilson_interval(4 / 48, 48)
    assert budgets.intervals(StrengthPoint(1.0, 1.0, -0.1, {}))["lost"] == wilson_interval(0.0, 120)
    assert Budgets(allowed, allowed, allowed).intervals(StrengthPoint(1.0, 1.0, 0.0, {})) == {}
