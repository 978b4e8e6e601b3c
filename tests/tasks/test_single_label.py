"""The losses, held against their definitions."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from visionlora.tasks.single_label import distillation, loss


@settings(deadline=None)
@given(st.integers(1, 6), st.integers(2, 9), st.floats(0.5, 4), st.integers(0, 1000))
def test_distillation_is_the_divergence_of_the_softened_distributions(
    batch: int, outputs: int, temperature: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    student, teacher = torch.randn(2, batch, outputs, generator=generator, dtype=torch.float64) * 3
    p, q = (teacher / temperature).softmax(1), (student / temperature).softmax(1)
    expected = (p * (p / q).log()).sum(1).mean() * temperature**2
    found = distillation(student, teacher, temperature)
    torch.testing.assert_close(found.double(), expected, rtol=1e-3, atol=1e-5)


def test_smoothing_spreads_a_share_of_the_label_over_all_outputs() -> None:
    logits, labels = torch.randn(5, 4), torch.tensor([0, 1, 2, 3, 0])
    target = 0.8 * torch.eye(4)[labels] + 0.2 / 4
    expected = -(target * logits.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(loss(logits, labels, smoothing=0.2), expected)


def test_distillation_of_an_unchanged_network_is_zero() -> None:
    logits = torch.randn(4, 10)
    assert float(distillation(logits, logits)) == 0


def test_probability_of_a_new_output_on_anchors_is_penalised() -> None:
    teacher = torch.randn(4, 10)
    quiet = torch.cat([teacher, torch.full((4, 1), -20.0)], 1)
    loud = torch.cat([teacher, torch.full((4, 1), 5.0)], 1)
    assert float(distillation(quiet, teacher)) < 1e-5
    assert float(distillation(loud, teacher)) > 0.5
