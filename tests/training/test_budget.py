"""A budget is a share of pictures, and pictures come whole."""

from __future__ import annotations

import pytest
import torch

from visionlora.training.budget import in_whole_pictures
from visionlora.training.measure import Answers


@pytest.mark.parametrize(
    ("budget", "pictures", "may_go"), [(0.01, 120, 2), (0.01, 100, 1), (0.02, 150, 3), (0.0, 9, 0)]
)
def test_a_budget_is_counted_in_whole_pictures(budget: float, pictures: int, may_go: int) -> None:
    judges = Answers(torch.eye(pictures), torch.arange(pictures))
    allowed = in_whole_pictures(budget, pictures)
    for gone in (may_go, may_go + 1):
        now = Answers(
            judges.logits, torch.arange(pictures).where(torch.arange(pictures) >= gone, pictures - 1)
        )
        assert (judges.top(1) - now.top(1) <= allowed) == (gone == may_go)
