"""The loss on anchors, held against its definition."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from visionlora.retention.config import RetentionConfig
from visionlora.retention.matching import Matching, logit_distance
from visionlora.retention.teacher import AnchorBatch
from visionlora.tasks.multi_label import MultiLabel
from visionlora.tasks.single_label import SingleLabel, distillation


def drawn(seed: int, images: int, outputs: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    student, teacher = torch.randn(2, images, outputs, generator=generator, dtype=torch.float64) * 3
    kept = torch.rand(images, outputs, generator=generator) < 0.7
    kept[:, 0] = True
    return student, teacher, kept


@settings(deadline=None)
@given(st.integers(0, 999), st.integers(1, 5), st.integers(1, 8), st.integers(0, 2), st.booleans())
def test_the_distance_is_half_the_variance_of_the_kept_differences(
    seed: int, images: int, outputs: int, new: int, relative: bool
) -> None:
    student, teacher, kept = drawn(seed, images, outputs)
    rows = []
    for one, other, count in zip(student, teacher, kept, strict=True):
        difference = (one - other)[count]
        rows.append(difference.var(correction=0) if relative else difference.square().mean())
    expected = torch.stack(rows).mean() / 2
    student = torch.cat([student, torch.full((images, new), 50.0)], 1)
    found = logit_distance(student, teacher, kept, relative)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-5)


@settings(deadline=None)
@given(st.integers(0, 999), st.integers(2, 8), st.floats(-9, 9))
def test_it_is_the_divergence_at_a_high_temperature_and_knows_no_constant(
    seed: int, outputs: int, constant: float
) -> None:
    student, teacher, _ = drawn(seed, 3, outputs)
    kept = torch.ones(3, outputs, dtype=torch.bool)
    expected = logit_distance(student, teacher, kept, relative=True)
    moved = logit_distance(student + constant, teacher, kept, relative=True)
    torch.testing.assert_close(moved, expected, rtol=1e-4, atol=1e-5)
    softened = distillation(student, teacher, temperature=300.0)
    torch.testing.assert_close(softened, expected, rtol=0.05, atol=1e-2)


def test_what_is_not_kept_gets_no_gradient() -> None:
    student, teacher, kept = drawn(0, 4, 6)
    student.requires_grad_()
    logit_distance(student, teacher, kept, relative=True).backward()
    assert student.grad is not None
    assert not student.grad[~kept].any() and student.grad[kept].all()


def test_the_loss_is_the_weighted_sum_and_the_share_counts_once() -> None:
    student, teacher, _ = drawn(0, 4, 6)
    anchors = AnchorBatch([], teacher, [True, False, False, True], [2], share=0.5)
    loss, figures = Matching(SingleLabel(), 2.0, 3.0, 1.0).loss(student, anchors)
    assert set(figures) == {"distillation", "logits"}
    assert float(loss) == pytest.approx(0.5 * float(2 * figures["distillation"] + 3 * figures["logits"]))


def test_half_of_the_views_are_blended_from_16_classes_on_unless_a_share_is_given() -> None:
    options = RetentionConfig()
    assert [options.blended_views(classes) for classes in (1, 15, 16, 142)] == [0, 0, 2, 2]
    assert [RetentionConfig(views=views).blended_views(16) for views in (1, 3, 8)] == [0, 1, 4]
    assert [RetentionConfig(mixup=share).blended_views(1) for share in (0.0, 0.75, 1.0)] == [0, 3, 4]


def test_a_share_that_blends_no_view_is_refused() -> None:
    with pytest.raises(ValueError, match=r"mixup is 0\.2: of 4 views that is none; give at least 0\.25"):
        RetentionConfig(mixup=0.2)


def test_logits_are_kept_with_many_classes_and_the_divergence_counts_less_then() -> None:
    options = RetentionConfig()
    many = Matching.of(options, SimpleNamespace(classes=16, old_outputs=1000), SingleLabel(), [])  # type: ignore[arg-type]
    assert (many.weight, many.logits) == (1, 10)
    assert [options.logits_for(classes, "single_label") for classes in (1, 15, 16, 142)] == [0, 0, 10, 10]
    weights = [options.logits_for(16, "single_label", rank) for rank in (8, 15, 16, 31, 32, 64)]
    assert weights == [10, 10, 30, 30, 100, 100]
    assert options.logits_for(15, "single_label", 16) == 0
    assert options.logits_for(142, MultiLabel.name, 16) == 0
    assert RetentionConfig(logits=2.0).logits_for(1, MultiLabel.name) == 2
    assert options.weight_for(1000, logits=10.0) == 1
    assert RetentionConfig(weight=2.0).weight_for(1000, logits=10.0) == 2
