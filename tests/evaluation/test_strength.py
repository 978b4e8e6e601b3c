"""Which strength becomes the adapter's own, and in how many passes it is found."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visionlora.evaluation.budget import Budget, StrengthPoint
from visionlora.evaluation.strength import choose, describe_choice, explore

BUDGET = Budget(0.01)


def points(*figures: tuple[float, ...]) -> list[StrengthPoint]:
    """(learned, lost) or (learned, lost, called) at evenly spaced strengths up to 1."""
    return [
        StrengthPoint((place + 1) / len(figures), learned, lost, {"val/top1": learned}, *called)
        for place, (learned, lost, *called) in enumerate(figures)
    ]


def test_the_largest_strength_within_the_budget_is_chosen() -> None:
    curve = points((0.3, 0.0), (0.6, 0.005), (0.7, 0.02), (0.8, 0.05))
    chosen, kept = choose(curve, BUDGET, 0.1)
    assert (chosen.strength, kept) == (0.5, True)


def test_a_strength_with_lower_top1_than_a_smaller_one_is_not_chosen() -> None:
    curve = points((0.3, 0.0), (0.8, 0.0), (0.7, 0.0), (0.7, 0.0))
    assert choose(curve, BUDGET, 0.1)[0].strength == 0.5


def test_of_strengths_with_equal_top1_the_largest_is_chosen() -> None:
    assert choose(points((0.3, 0.0), (0.8, 0.0), (0.8, 0.01), (0.8, 0.02)), BUDGET, 0.1)[0].strength == 0.75


def test_the_image_that_rounding_allows_is_spent_only_for_higher_top1() -> None:
    exact, rounded = Budget(0.01), Budget(0.014)
    no_better = points((0.3, 0.0), (0.8, 0.007), (0.8, 0.013), (0.8, 0.02))
    assert choose(no_better, rounded, 0.1, exact=exact) == (no_better[1], True)
    better = points((0.3, 0.0), (0.8, 0.007), (0.9, 0.013), (0.9, 0.02))
    assert choose(better, rounded, 0.1, exact=exact) == (better[2], True)


@pytest.mark.parametrize("smallest", [(0.1, 0.0), (0.2, 0.0), (0.2, 0.05)])
def test_a_budget_that_only_a_useless_adapter_keeps_is_exceeded_with_a_warning(
    smallest: tuple[float, float],
) -> None:
    curve = points(smallest, (0.4, 0.25), (0.6, 0.3), (0.9, 0.5))
    chosen, kept = choose(curve, BUDGET, 0.1)
    assert (chosen.strength, kept) == (0.75, False)
    words = describe_choice(chosen, curve, kept, "60 retention images", BUDGET)
    assert "NOT KEPT" in words
    assert "0.300 of top-1 forgotten, measured on 60 retention images" in words
    assert "(at strength 1: top-1 0.900 on validation images, 0.500 of top-1 forgotten)" in words
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
    chosen, kept = choose(points(*curve), BUDGET, 0.05)
    assert (chosen.strength, kept) == (expected, False)


def test_with_least_learned_zero_the_budget_is_always_kept() -> None:
    curve = points((0.2, 0.0), (0.4, 0.2), (0.6, 0.3), (0.9, 0.5))
    chosen, kept = choose(curve, BUDGET, 0.1, least=0)
    assert (chosen.strength, kept) == (0.25, True)
    assert "within retention.budget, 0.010" in describe_choice(chosen, curve, kept, "x", BUDGET)


def test_a_strength_with_too_many_false_positives_is_not_chosen() -> None:
    curve = points((0.5, 0.0, 0.0), (0.9, 0.0, 0.04), (1.0, 0.0, 0.2))
    chosen, kept = choose(curve, Budget(0.01, false_positives=0.05), 0.1)
    assert (chosen.learned, kept) == (0.9, True)
    words = describe_choice(chosen, curve, kept, "x", Budget(0.01, false_positives=0.05))
    assert "0.040 false positives" in words
    assert "contrast.budget, 0.050" in words


def test_of_strengths_outside_both_budgets_the_smallest_total_excess_is_chosen() -> None:
    curve = points((0.1, 0.0, 0.0), (0.8, 0.02, 0.1), (0.9, 0.04, 0.06), (1.0, 0.04, 0.3))
    chosen, kept = choose(curve, Budget(0.01, false_positives=0.05), 0.1)
    assert (chosen.learned, kept) == (0.9, False)


def test_a_network_with_nothing_to_learn_keeps_its_budget() -> None:
    assert choose(points((1.0, 0.0), (1.0, 0.0)), BUDGET, 1.0)[1]


curves = st.lists(st.tuples(st.floats(0, 1), st.floats(-0.1, 1), st.floats(0, 1)), min_size=1, max_size=12)


@settings(deadline=None)
@given(curves, st.floats(0, 0.5), st.floats(0, 1), st.floats(0, 1))
def test_some_strength_is_always_chosen_and_none_smaller_has_higher_top1(
    figures: list[tuple[float, float, float]], budget: float, called: float, untouched: float
) -> None:
    curve = points(*figures)
    allowed = Budget(budget, called)
    chosen, kept = choose(curve, allowed, untouched)
    assert describe_choice(chosen, curve, kept, "pictures", allowed)
    if kept:
        assert chosen.lost <= budget
        assert chosen.false_positives <= called
        smaller = [p for p in curve if p.strength < chosen.strength and allowed.holds(p)]
        assert all(p.learned <= chosen.learned for p in smaller)


def falling(edge: float, visited: list[float]) -> Callable[[float], StrengthPoint]:
    """Loses more than 0.01 above ``edge``."""

    def measure(strength: float) -> StrengthPoint:
        visited.append(strength)
        return StrengthPoint(strength, strength, 0.0 if strength <= edge else 0.2, {})

    return measure


@settings(deadline=None)
@given(st.integers(2, 40), st.floats(0.0, 1.0))
def test_bisection_finds_the_same_strength_as_exhaustive_search(steps: int, edge: float) -> None:
    visited: list[float] = []
    some = explore(falling(edge, visited), steps, BUDGET, exhaustive=False)
    everything = explore(falling(edge, []), steps, BUDGET)
    assert len(visited) == len(some) <= steps.bit_length() + 2
    assert [p.strength for p in some] == sorted(visited)
    inside = [p.strength for p in everything if p.lost == 0]
    assert max((p.strength for p in some if p.lost == 0), default=None) == max(inside, default=None)


@pytest.mark.parametrize("steps", [2, 5, 10])
def test_an_exhaustive_search_tries_every_step(steps: int) -> None:
    visited: list[float] = []
    explore(falling(0.5, visited), steps, BUDGET)
    assert visited == [step / steps for step in range(1, steps + 1)]
