"""Figures from logits, small enough to count by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from visionlora.evaluation.predictions import Predictions, predict_batches
from visionlora.tasks.single_label import decode


@pytest.fixture
def four() -> Predictions:
    """Four images, three outputs; said 0, 1, 1, 2 where 0, 1, 2, 0 is right."""
    said, right = torch.tensor([0, 1, 1, 2]), torch.tensor([0, 1, 2, 0])
    return Predictions(torch.nn.functional.one_hot(said, 3).float() * 9, right)


def test_top1_is_the_share_of_correct_predictions(four: Predictions) -> None:
    assert four.top(1) == 0.5


def test_top5_of_three_outputs_is_one(four: Predictions) -> None:
    assert four.top(5) == 1.0


def test_predictions_of_a_trained_class_are_counted(four: Predictions) -> None:
    assert four.share_predicted([1]) == 0.5
    assert four.share_predicted([0, 2]) == 0.5


def test_agreement_compares_predictions_not_labels(four: Predictions) -> None:
    other = Predictions(four.logits.roll(1, 0), four.labels)
    assert four.agreement(four) == 1
    assert four.agreement(other) == 0.25


def test_lost_accuracy_is_estimated_from_the_frozen_networks_probabilities() -> None:
    frozen = Predictions(torch.tensor([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1]]).log(), torch.tensor([-1, -1]))
    same = Predictions(frozen.logits * 3, frozen.labels)
    other = Predictions(torch.tensor([[0.0, 9.0, 0.0], [9.0, 0.0, 0.0]]), frozen.labels)
    assert same.estimated_lost(frozen) == 0
    assert other.estimated_lost(frozen) == pytest.approx((0.7 - 0.2) / 2)


def test_views_of_an_image_count_as_one_image_and_stay_together() -> None:
    rows = torch.arange(12.0).view(6, 2)
    three = Predictions(rows, torch.full((6,), -1), views=2)
    assert len(three) == 3
    some = three.subset(torch.tensor([True, False, True]))
    assert len(some) == 2
    assert torch.equal(some.logits, rows[[0, 1, 4, 5]])
    assert len(three.first(1)) == len(three.muted(1)) == 3


def test_an_output_that_the_frozen_network_lacks_has_probability_zero() -> None:
    frozen = Predictions(torch.tensor([[0.75, 0.25]]).log(), torch.tensor([0]))
    now = Predictions(torch.tensor([[0.0, 0.0, 5.0]]), torch.tensor([0]))
    assert now.estimated_lost(frozen) == pytest.approx(0.75)
    assert now.divergence(frozen) > 0
    assert now.first(2).divergence(frozen) == pytest.approx(
        0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    )


def test_unlabelled_images_are_recognised(four: Predictions) -> None:
    assert four.labelled
    assert not Predictions(four.logits, torch.full((4,), -1)).labelled


def test_confusion_counts_all_other_classes_in_the_last_column(four: Predictions) -> None:
    counts = four.confusion([0, 1])
    assert counts.tolist() == [[1, 0, 1], [0, 1, 0], [0, 1, 0]]


def test_a_confident_and_wrong_network_is_badly_calibrated() -> None:
    logits = torch.tensor([[20.0, 0.0], [20.0, 0.0]])
    assert Predictions(logits, torch.tensor([0, 0])).calibration_error() < 1e-3
    assert Predictions(logits, torch.tensor([1, 1])).calibration_error() > 0.99


def test_decode_gives_the_most_probable_classes_first() -> None:
    rows = decode(torch.tensor([[0.0, 2.0, 1.0]]), ["a", "b", "c"], 2)
    assert [name for name, _ in rows[0]] == ["b", "c"]
    assert rows[0][0][1] == pytest.approx(0.665, abs=1e-3)


def test_predictions_follow_the_order_of_the_images_and_restore_the_mode() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(3, 2)).train()
    images = torch.randn(5, 3, 1, 1)
    batches = [
        {"images": images[:3], "labels": torch.tensor([0, 1, 0])},
        {"images": images[3:], "labels": torch.tensor([1, 1])},
    ]
    found = predict_batches(network, batches)
    torch.testing.assert_close(found.logits, network(images).detach())
    assert found.labels.tolist() == [0, 1, 0, 1, 1]
    assert network.training
    assert not found.logits.requires_grad
