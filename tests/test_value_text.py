"""Values in messages: a long one is cut, and what the message is about stays."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from visionlora.options import Rule, checked
from visionlora.value_text import shown, shown_beside, written

LONG = {f"features.{place}": 8 for place in range(30)}


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "null"), (True, "true"), ([1, "a"], "[1, 'a']"), ({"a": [None]}, "{a: [null]}"), (0.5, "0.5")],
)
def test_a_short_value_is_shown_as_a_configuration_file_has_it(value: Any, text: str) -> None:
    assert written(value) == shown(value) == text


def test_of_a_long_path_the_beginning_and_the_ending_are_shown() -> None:
    text = shown("/home/user/" + 10 * "experiments/" + "figures.txt")
    assert len(text) == 60
    assert text.startswith("'/home/user/experiments") and text.endswith("figures.txt'")


@pytest.mark.parametrize(
    ("value", "other"),
    [
        ("/data/" + 60 * "x" + "/first/" + 60 * "y", "/data/" + 60 * "x" + "/other/" + 60 * "y"),
        (LONG, LONG | {"features.14": 4}),
        (LONG, {key: value for key, value in LONG.items() if key != "features.14"}),
    ],
)
def test_two_long_values_that_differ_are_shown_where_they_do(value: Any, other: Any) -> None:
    assert shown(value) == shown(other)  # the beginnings and the ends are the same
    here, there = shown_beside(value, other)
    assert here != there and max(len(here), len(there)) <= 60


@pytest.mark.parametrize(
    ("value", "hint", "rule", "said"),
    [
        (
            LONG | {"features.9": 0},
            Mapping[str, int],
            Rule(at_least=1),
            r"\(item features.9 is 0\); it takes",
        ),
        ([*range(1, 40), -3], Sequence[int], Rule(at_least=0), r"\(item 40 is -3\); it takes"),
        ([1, -3], Sequence[int], Rule(at_least=0), r"is \[1, -3\]; it takes"),
    ],
)
def test_an_item_that_is_refused_is_named_where_the_value_is_cut(
    value: Any, hint: Any, rule: Rule, said: str
) -> None:
    with pytest.raises(ValueError, match=r"^ranks is ") as error:
        checked("ranks", value, hint, rule)
    assert re.search(said, str(error.value))
