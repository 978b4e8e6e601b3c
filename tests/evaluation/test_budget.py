"""A budget is a share of images, and images come whole."""

from __future__ import annotations

import pytest
import torch

from visionlora.evaluation.budget import in_whole_images
from visionlora.evaluation.predictions import Predictions


@pytest.mark.parametrize(
    ("budget", "images", "may_go"), [(0.01, 120, 2), (0.01, 100, 1), (0.02, 150, 3), (0.0, 9, 0)]
)
def test_a_budget_is_counted_in_whole_images(budget: float, images: int, may_go: int) -> None:
    judges = Predictions(torch.eye(images), torch.arange(images))
    allowed = in_whole_images(budget, images)
    for gone in (may_go, may_go + 1):
        now = Predictions(judges.logits, torch.arange(images).where(torch.arange(images) >= gone, images - 1))
        assert (judges.top(1) - now.top(1) <= allowed) == (gone == may_go)
