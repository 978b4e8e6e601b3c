"""The thresholds of labels, held against every other threshold."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tasks.labels import drawn, f1
from visionlora.tasks.thresholds import best_thresholds


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 9999), st.integers(2, 30), st.booleans())
def test_no_other_threshold_has_a_larger_f1(seed: int, images: int, coarse: bool) -> None:
    logits, labels = drawn(seed, images, 1)
    logits = logits.round() if coarse else logits
    own, probabilities = labels[:, 0] > 0.5, logits.double().sigmoid()[:, 0]
    (threshold,) = best_thresholds(logits, labels).tolist()
    if not own.any() or own.all():
        assert threshold == 0.5
        return
    best = max(f1(probabilities > limit, own) for limit in [0.0, *probabilities.tolist()])
    assert f1(probabilities > threshold, own) == pytest.approx(best)
