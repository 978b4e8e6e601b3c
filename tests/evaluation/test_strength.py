"""Which weights at which strength become the adapter, and in how many passes they are found."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from visionlora.evaluation.budget import Budget, Budgets, StrengthPoint
from visionlora.evaluation.choice import Choice, choose, describe_choice
from visionlora.evaluation.grid import StrengthGrid, interpolate
from visionlora.evaluation.images import Evaluation
from visionlora.evaluation.predictions import Predictions


def budgets(lost: float, called: float = 1.0, *, plausible: Budget | None = None) -> Budgets:
    """So many images that every excess is established, unless told otherwise."""
    budget = Budget(lost, called)
    return Budgets(budget, budget, plausible or budget)


BUDGET = budgets(0.01)


def points(*figures: tuple[float, ...], candidate: str = "average") -> list[StrengthPoint]:
    """(learned, lost) or (learned, lost, called) at evenly spaced strengths up to 1."""
    return [
        StrengthPoint(
            (place + 1) / len(figures), learned, lost, {"val/top1": learned}, *called, candidate=candidate
        )
        for place, (learned, lost, *called) in enumerate(figures)
    ]


def test_the_highest_top1_within_the_budget_is_chosen() -> None:
    curve = points((0.3, 0.0), (0.6, 0.005), (0.7, 0.03), (0.8, 0.05))
    assert choose(curve, BUDGET, 0.1) == Choice(curve[1], kept=True, plausible=True)


def test_a_strength_with_lower_top1_than_a_smaller_one_is_not_chosen() -> None:
    curve = points((0.3, 0.0), (0.8, 0.0), (0.7, 0.0), (0.7, 0.0))
    assert choose(curve, BUDGET, 0.1).point.strength == 0.5


def test_of_strengths_with_equal_figures_the_largest_is_chosen() -> None:
    curve = points((0.3, 0.0), (0.8, 0.0), (0.8, 0.0), (0.8, 0.02))
    assert choose(curve, BUDGET, 0.1).point.strength == 0.75


def test_of_strengths_with_equal_top1_the_one_that_costs_less_is_chosen() -> None:
    assert choose(points((0.8, 0.0), (0.8, 0.009)), BUDGET, 0.1).point.strength == 0.5
    surer = points((0.8, 0.0), (0.8, 0.009))
    surer[0].metrics["val/loss"], surer[1].metrics["val/loss"] = 1.0, 0.3
    assert choose(surer, BUDGET, 0.1).point.strength == 1


def test_without_validation_images_the_largest_strength_within_the_budget_is_chosen() -> None:
    curve = [replace(point, metrics={}) for point in points((0.0, 0.0), (0.0, 0.008), (0.0, 0.02))]
    assert choose(curve, BUDGET, 0.0).point.strength == pytest.approx(2 / 3)


def test_candidates_and_strengths_are_chosen_together() -> None:
    best = points((0.3, 0.0), (0.6, 0.0), (0.7, 0.0), candidate="best")
    last = points((0.5, 0.0), (0.85, 0.0), (0.9, 0.05), candidate="last")
    chosen = choose([*best, *last], BUDGET, 0.1).point
    assert (chosen.candidate, chosen.strength) == ("last", pytest.approx(2 / 3))


def test_the_image_that_rounding_allows_is_spent_only_for_higher_top1() -> None:
    allowed = Budgets(Budget(0.01), Budget(0.014), Budget(0.014))
    no_better = points((0.3, 0.0), (0.8, 0.007), (0.8, 0.013), (0.8, 0.02))
    assert choose(no_better, allowed, 0.1).point == no_better[1]
    better = points((0.3, 0.0), (0.8, 0.007), (0.9, 0.013), (0.9, 0.02))
    assert choose(better, allowed, 0.1) == Choice(better[2], kept=True, plausible=True)


@pytest.mark.parametrize(("validation", "strength"), [(12, 2), (153, 1)])
def test_one_contrast_image_more_is_worth_two_of_few_validation_images_and_not_of_many(
    validation: int, strength: int
) -> None:
    """Of 48 contrast images four are allowed, and 5 are no sign of a rate above 0.05."""
    allowed = budgets(0.01, 4 / 48, plausible=Budget(0.01, 0.11))
    ten = 10 / 12
    curve = points((ten, 0.0, 4 / 48), (ten + 2 / validation, 0.0, 5 / 48))
    choice = choose(curve, allowed, 0.1)
    assert choice == Choice(curve[strength - 1], kept=strength == 1, plausible=True)
    words = describe_choice(choice, curve, "48 contrast images", allowed)
    assert ("over the budget" in words) == (strength == 2)
    assert "NOT KEPT" not in words


def test_an_excess_that_the_interval_establishes_is_not_chosen_for_any_top1() -> None:
    curve = points((0.6, 0.0), (1.0, 0.03))
    assert choose(curve, budgets(0.01, plausible=Budget(0.02)), 0.1).point.strength == 0.5


@pytest.mark.parametrize("smallest", [(0.1, 0.0), (0.2, 0.0), (0.2, 0.05)])
def test_a_budget_that_only_a_useless_adapter_keeps_is_exceeded_with_a_warning(
    smallest: tuple[float, float],
) -> None:
    curve = points(smallest, (0.4, 0.25), (0.6, 0.3), (0.9, 0.5))
    choice = choose(curve, BUDGET, 0.1)
    assert choice == Choice(curve[2], kept=False, plausible=False)
    words = describe_choice(choice, curve, "60 retention images", BUDGET)
    assert "NOT KEPT" in words
    assert "0.300 of top-1 lost, measured on 60 retention images" in words
    assert "(at strength 1: top-1 0.900 on validation images, 0.500 of top-1 lost)" in words
    assert ("strength 0.25, which is within it" in words) == (smallest[1] == 0)


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        # SqueezeNet on 142 drawn classes (0.042 before), generated anchors only.
        ([(0.127, 0.013), (0.331, 0.02), (0.493, 0.04), (0.711, 0.06), (0.796, 0.12)], 0.6),
        # The same network on goldfish (0.083): of two that lose the same, the one that learns more.
        ([(0.083, 0.013), (0.167, 0.02), (0.5, 0.033), (0.75, 0.033), (0.833, 0.047)], 0.8),
    ],
)
def test_the_useful_strength_that_exceeds_the_budget_least_is_chosen_if_none_keeps_it(
    curve: list[tuple[float, float]], expected: float
) -> None:
    choice = choose(points(*curve), BUDGET, 0.05)
    assert (choice.point.strength, choice.kept) == (expected, False)


def test_with_least_learned_zero_the_budget_is_always_kept() -> None:
    curve = points((0.2, 0.0), (0.4, 0.2), (0.6, 0.3), (0.9, 0.5))
    choice = choose(curve, BUDGET, 0.1, least=0)
    assert (choice.point.strength, choice.kept) == (0.25, True)
    assert "within retention.budget=0.01" in describe_choice(choice, curve, "x", BUDGET)


def test_a_strength_with_too_many_false_positives_is_not_chosen() -> None:
    curve = points((0.5, 0.0, 0.0), (0.9, 0.0, 0.04), (1.0, 0.0, 0.2))
    choice = choose(curve, budgets(0.01, 0.05), 0.1)
    assert (choice.point.learned, choice.kept) == (0.9, True)
    words = describe_choice(choice, curve, "x", budgets(0.01, 0.05))
    assert "0.040 false positives" in words
    assert "contrast.budget=0.05" in words
    raised = describe_choice(choice, curve, "x", budgets(0.01, 0.083), {"retention": 0.01, "contrast": 0.05})
    assert "contrast.budget=0.05, rounded up to whole images 0.083" in raised


def test_what_so_few_images_leave_open_stands_in_the_words() -> None:
    allowed = replace(budgets(0.02, 0.1), old=120, contrast=48)
    curve = points((0.9, 2 / 120, 4 / 48))
    words = describe_choice(choose(curve, allowed, 0.1), curve, "x", allowed)
    assert "0.017 (0.00 to 0.06) of top-1 lost, 0.083 (0.03 to 0.20) false positives" in words


def test_of_strengths_outside_both_budgets_the_smallest_total_excess_is_chosen() -> None:
    curve = points((0.1, 0.0, 0.0), (0.8, 0.02, 0.1), (0.9, 0.04, 0.06), (1.0, 0.04, 0.3))
    choice = choose(curve, budgets(0.01, 0.05), 0.1)
    assert (choice.point.learned, choice.kept) == (0.9, False)


def test_a_network_with_nothing_to_learn_keeps_its_budget() -> None:
    assert choose(points((1.0, 0.0), (1.0, 0.0)), BUDGET, 1.0).kept


curves = st.lists(st.tuples(st.floats(0, 1), st.floats(-0.1, 1), st.floats(0, 1)), min_size=1, max_size=12)


@settings(deadline=None)
@given(curves, st.floats(0, 0.5), st.floats(0, 1), st.floats(0, 1))
def test_some_strength_is_always_chosen_and_none_within_the_budget_has_higher_top1(
    figures: list[tuple[float, float, float]], budget: float, called: float, untouched: float
) -> None:
    curve = points(*figures)
    allowed = budgets(budget, called)
    choice = choose(curve, allowed, untouched)
    assert describe_choice(choice, curve, "images", allowed)
    if choice.kept:
        assert choice.point.lost <= budget
        assert choice.point.false_positives <= called
        inside = [point.learned for point in curve if allowed.whole.holds(point)]
        assert choice.point.learned >= max(inside) - 1e-6


def logits_at(strength: float) -> Predictions:
    """Two images whose logits move along parabolas."""
    moved = [[strength, 1 - strength**2, 0.3], [0.5, strength - 0.1, 2 * strength * strength]]
    return Predictions(torch.tensor(moved), torch.tensor([0, 2]))


def test_logits_between_measured_strengths_are_interpolated() -> None:
    nodes = {step: Evaluation(validation=logits_at(step / 10)) for step in (0, 5, 10)}
    for step in range(11):
        between = interpolate(nodes, step).validation
        assert between is not None
        torch.testing.assert_close(between.logits, logits_at(step / 10).logits)
        assert between.labels.tolist() == [0, 2]


@pytest.mark.parametrize(("frozen_at_zero", "passes"), [(True, [1.0, 0.5]), (False, [1.0, 0.5, 0.1])])
def test_a_candidate_is_measured_at_few_strengths_and_then_where_it_is_asked(
    frozen_at_zero: bool, passes: list[float]
) -> None:
    visited: list[float] = []

    def measure(candidate: str, strength: float) -> Evaluation:
        visited.append(strength)
        return Evaluation(validation=logits_at(strength))

    frozen = Evaluation(validation=logits_at(0)) if frozen_at_zero else None
    grid = StrengthGrid(measure, ["last"], 10, frozen)
    assert visited == passes
    assert not grid.measured("last", 8)
    grid.measure("last", 8)
    grid.measure("last", 8)
    assert visited == [*passes, 0.8]
    assert grid.measured("last", 8)
    assert grid.at("last", 8).retention is None
