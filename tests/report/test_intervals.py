from __future__ import annotations

from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visionlora.report.intervals import wilson_interval


def test_the_bounds_are_those_of_the_literature() -> None:
    # Newcombe 1998 (Statistics in Medicine 17), table I, method 3.
    for successes, count, low, high in (
        (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718),
    ):  # fmt: skip
        assert wilson_interval(successes / count, count) == pytest.approx((low, high), abs=5e-5)


def test_five_of_five_right_is_not_a_hundred_per_cent() -> None:
    low, high = wilson_interval(1.0, 5)
    assert 0.56 < low < 0.57
    assert high == pytest.approx(1)


@given(st.integers(1, 5000), st.floats(0, 1), st.floats(0.5, 4))
def test_the_bounds_hold_the_share_and_solve_the_score_equation(count: int, share: float, z: float) -> None:
    low, high = wilson_interval(share, count, z)
    assert 0 <= low <= share + 1e-9
    assert share - 1e-9 <= high <= 1
    for bound in (low, high):
        assert (share - bound) ** 2 == pytest.approx(z * z * bound * (1 - bound) / count, abs=1e-9)


@given(st.integers(1, 500), st.floats(0, 1))
def test_wrong_answers_have_the_mirrored_interval(count: int, share: float) -> None:
    low, high = wilson_interval(share, count)
    assert wilson_interval(1 - share, count) == pytest.approx((1 - high, 1 - low), abs=1e-9)


def test_more_images_say_more() -> None:
    few, many = wilson_interval(0.8, 10), wilson_interval(0.8, 1000)
    assert many[1] - many[0] < (few[1] - few[0]) / 5


def test_the_default_is_95_per_cent() -> None:
    z = NormalDist().inv_cdf(0.975)
    assert wilson_interval(0.3, 40) == pytest.approx(wilson_interval(0.3, 40, z), abs=1e-6)


@pytest.mark.parametrize(("share", "count"), [(0.5, 0), (-0.1, 5), (1.1, 5), (float("nan"), 5)])
def test_what_is_no_share_is_refused(share: float, count: int) -> None:
    with pytest.raises(ValueError, match="give a share"):
        wilson_interval(share, count)
