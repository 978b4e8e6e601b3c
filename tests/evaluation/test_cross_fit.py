"""Each half of the images is reported with what the other half chose."""

from __future__ import annotations

from dataclasses import replace

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from visionlora.evaluation.cross_fit import Halves, cross_fitted_metrics, first_half
from visionlora.evaluation.images import Evaluation
from visionlora.evaluation.predictions import Predictions


def predictions(labels: list[int], said: int) -> Predictions:
    """Every image is predicted to be of class ``said``."""
    logits = torch.zeros(len(labels), 4)
    logits[:, said] = 9.0
    return Predictions(logits, torch.tensor(labels))


@settings(deadline=None)
@given(st.lists(st.integers(-1, 3), min_size=1, max_size=40))
def test_the_halves_are_even_in_all_and_in_each_class(labels: list[int]) -> None:
    first = first_half(predictions(labels, 0))
    assert abs(int(first.sum()) * 2 - len(labels)) <= 1
    for label in set(labels):
        own = first[torch.tensor(labels) == label]
        assert abs(int(own.sum()) * 2 - len(own)) <= 1


def test_a_half_is_the_same_images_of_every_prediction_and_the_rest_is_the_other() -> None:
    whole = Evaluation(validation=predictions([0, 0, 1, 1, 2], 0), contrast=predictions([-1] * 4, 1))
    halves = Halves(whole)
    first, second = halves.first(whole), halves.second(whole)
    assert first.validation is not None and second.validation is not None
    labels = first.validation.labels.tolist() + second.validation.labels.tolist()
    assert sorted(labels) == [0, 0, 1, 1, 2]
    assert first.retention is None


def test_all_views_of_an_image_are_in_the_same_half() -> None:
    rows = torch.arange(30.0).view(15, 2)
    whole = Evaluation(held_out=Predictions(rows, torch.full((15,), -1), views=3))
    halves = Halves(whole)
    first, second = halves.first(whole), halves.second(whole)
    assert first.held_out is not None and second.held_out is not None
    assert (len(first.held_out), len(second.held_out)) == (3, 2)
    assert torch.equal(first.held_out.logits, rows.view(5, 3, 2)[::2].flatten(0, 1))
    other = Evaluation(held_out=replace(first.held_out, logits=-rows, labels=torch.full((15,), -1)))
    joined = halves.joined(whole, other).held_out
    assert joined is not None and len(joined) == 5
    assert torch.equal(joined.logits.view(5, 3, 2)[:, 0, 1].sign(), torch.tensor([1.0, -1, 1, -1, 1]))


def test_too_few_images_of_a_kind_are_not_halved() -> None:
    assert Halves(Evaluation(validation=predictions([0] * 4, 0))).enough
    few = Evaluation(validation=predictions([0] * 4, 0), contrast=predictions([-1] * 3, 0))
    assert not Halves(few).enough


def test_every_image_is_reported_once_with_what_the_others_chose() -> None:
    """What the first half chose is always right and calls nothing; what the second chose is wrong."""
    labels, others = [0] * 6, [-1] * 4
    before = Evaluation(
        validation=predictions(labels, 3), retention=predictions([1] * 8, 1), contrast=predictions(others, 3)
    )
    right = Evaluation(
        validation=predictions(labels, 0), retention=predictions([1] * 8, 1), contrast=predictions(others, 3)
    )
    wrong = Evaluation(
        validation=predictions(labels, 2), retention=predictions([1] * 8, 0), contrast=predictions(others, 0)
    )
    halves = Halves(before)
    # The first half's images are predicted with what the second half chose.
    figures = cross_fitted_metrics(before, halves.joined(wrong, right), targets=[0])
    validation, retention, contrast = (figures[kind] for kind in ("validation", "retention", "contrast"))
    assert (validation["images"], validation["top1"]) == (6, 0.5)
    assert (retention["images"], retention["lost"]) == (8, 0.5)
    assert (contrast["images"], contrast["after/false_positive_rate"]) == (4, 0.5)
    assert validation["selected_on_these_images"] == ["checkpoint"]
    assert retention["selected_on_these_images"] == contrast["selected_on_these_images"] == []
