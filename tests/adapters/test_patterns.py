"""Patterns from strangers: the usual ones work, those that could take for ever are refused."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visionlora.adapters import LoraConfig, LoraError
from visionlora.adapters.patterns import MOST_LETTERS, MOST_PATTERNS, check_patterns, exactly, matches

NAMES = ("features.0", "layer1.0.conv1", "encoder.layers.encoder_layer_11.self_attention.out_proj", "a" * 60)

pieces = st.sampled_from(["a", "conv", ".", r"\.", r"\d", "[a-z]", "1", "^", "$", "x?", "(?=a)", "(?:ab)"])
operators = st.sampled_from(
    ["{}*", "{}+", "{}?", "({})", "({})*", "({})+", "({}|a)", "{}{{2,5}}", "(?:{}){{9}}"]
)


@st.composite
def expressions(draw: st.DrawFn) -> str:
    text = ""
    for _ in range(draw(st.integers(1, 6))):
        text = draw(operators).format(text + draw(pieces))
    return text


@settings(max_examples=150, deadline=None)
@given(expressions())
def test_a_pattern_that_is_accepted_is_matched_at_once(pattern: str) -> None:
    try:
        check_patterns("targets", [pattern])
    except LoraError:
        return
    started = time.perf_counter()
    for name in (*NAMES, "a" * 60 + "!"):
        matches(pattern, name)
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize(
    "pattern",
    [
        "conv1",
        "features.0",
        r".*\.layers\..*\.(q_proj|v_proj)",
        r"layer[1-4]\.\d+\.conv\d",
        ".*conv.*1.*",
        r"(block\.)*conv",
        r"^features\.0",
        "(?i)CONV",
        "(a|b|cd)?x{1,3}",
    ],
)
def test_patterns_as_people_write_them_are_accepted(pattern: str) -> None:
    assert LoraConfig(targets=pattern).targets == (pattern,)


@pytest.mark.parametrize(
    "pattern",
    [
        "((.+)+)+!",
        "(a|a)*b",
        "(a*)*b",
        "(.*)*",
        ".*.*.*.*!",
        "(?:){4000000000}",
        "(a?){60}a{60}",
        "(?=(a+)+!)b",
        "((a|ab)(c|bcd)*)+",
        "(a|b|ab)+c",
    ],
)
def test_patterns_that_could_take_for_ever_are_refused(pattern: str) -> None:
    with pytest.raises(LoraError, match="could take very long to match"):
        LoraConfig(rank_pattern={pattern: 4})


@pytest.mark.parametrize(
    ("patterns", "said"),
    [
        (["x"] * (MOST_PATTERNS + 1), "4097 patterns"),
        (["x" * (MOST_LETTERS + 1)], "1001 letters"),
        (["(" * 900], "not a regular expression"),
        (["a{99999999999999}"], "not a regular expression|very long"),
        (["["], "not a regular expression"),
        ([3], "names or regular expressions"),
        ([""], "names or regular expressions"),
    ],
)
def test_other_patterns_are_refused_in_a_short_line(patterns: list, said: str) -> None:
    with pytest.raises(LoraError, match=said) as refused:
        check_patterns("targets", patterns)
    assert len(str(refused.value)) < 400


@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\n"), min_size=1, max_size=30))
def test_an_exact_pattern_matches_its_name_alone(name: str) -> None:
    check_patterns("rank_pattern", [exactly(name)])
    assert matches(exactly(name), name)
    assert not matches(exactly(name), f"{name}x")
    assert re.fullmatch(exactly(name), name)
