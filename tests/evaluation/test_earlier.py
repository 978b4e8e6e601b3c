"""What earlier runs leave of the budget for forgetting."""

from __future__ import annotations

import pytest

from visionlora.evaluation.earlier import EarlierKnowledge
from visionlora.evaluation.images import Evaluation
from visionlora.notices import Notices


@pytest.mark.parametrize(
    ("lost", "left"), [(0.0, 0.01), (0.004, 0.006), (0.3, 0.0), (-1.0, 0.01), (None, 0.01)]
)
def test_what_earlier_runs_lost_is_taken_off_the_budget_and_what_they_gained_is_not_added(
    lost: float | None, left: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EarlierKnowledge, "lost", lambda *arguments: lost)
    found = EarlierKnowledge(None).budget_left(0.01, Evaluation(), Notices())
    assert found == pytest.approx(left)
