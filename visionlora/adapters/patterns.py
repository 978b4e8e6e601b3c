"""Patterns of layers' names: regular expressions, from untrusted files too, whose matching time is bounded.

Python's `re` backtracks: `((.+)+)+!` takes centuries to say that a name of 40 letters does not match. So a
pattern is refused where it can match a name in too many ways, before it is ever tried.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from re import _parser  # type: ignore[attr-defined]
from typing import Any, TypeVar

from visionlora.adapters.errors import LoraError
from visionlora.text import brief

_Value = TypeVar("_Value")
MOST_PATTERNS = 4096
"""In one list or mapping; a network has a few hundred layers."""
MOST_LETTERS = 1000
"""In one pattern."""
NAME_LETTERS = 64
"""In a layer's name, for the estimate."""
_MOST_WILDCARDS = 3
MOST_MATCHINGS = (NAME_LETTERS + 1) ** _MOST_WILDCARDS
"""To match a name, over all patterns of a list: three `.*` in one of them, or one in each of 4096."""


def check_patterns(key: str, patterns: Collection[object]) -> None:
    """Check the patterns of one list or mapping.

    Raises:
        LoraError: there are too many, one is no non-empty regular expression, or matching could take long.
    """
    if len(patterns) > MOST_PATTERNS:
        raise LoraError(f"{key} holds {len(patterns)} patterns: give at most {MOST_PATTERNS}.")
    left = MOST_MATCHINGS
    for pattern in patterns:
        left -= _checked_matchings(key, pattern)
        if left < 0:
            raise LoraError(
                f"{key} holds {brief(pattern)}, which could take very long to match: use at most three of "
                "*, + and {} in all, none of them inside another."
            )


def matches(pattern: str, name: str) -> bool:
    """Whether a pattern matches a layer's whole name, or its end after a dot (PEFT's rule)."""
    compiled = _compiled(pattern)
    # With a start position `^` still means the start of the name, as in PEFT's own expression.
    starts = [0, *(place + 1 for place, letter in enumerate(name) if letter == ".")]
    return any(compiled.fullmatch(name, start) for start in starts)


def exactly(name: str) -> str:
    """A pattern that matches the layer of that whole name and no other."""
    return f"^{re.escape(name)}"


def by_pattern(patterns: Mapping[str, _Value], name: str, default: _Value) -> _Value:
    """The value of the first pattern that matches the layer's name."""
    return next((value for pattern, value in patterns.items() if matches(pattern, name)), default)


def of_wildcards(pattern: str) -> str | None:
    """The regular expression that means what a pattern with the wildcards of a shell does; None: it has none,
    or more than a list may have, or is longer than a name."""
    wildcards = pattern.count("*") + pattern.count("?")
    if not 0 < wildcards <= _MOST_WILDCARDS or len(pattern) > NAME_LETTERS:
        return None
    meant = {"*": ".*", "?": ".", ".": "."}  # a dot that matches every letter is easier to read and to type
    return "".join(meant.get(letter) or re.escape(letter) for letter in pattern)


# `re` keeps 512, which is less than a large network has layers.
_compiled = lru_cache(maxsize=2 * MOST_PATTERNS)(re.compile)


def _checked_matchings(key: str, pattern: object) -> int:
    if not isinstance(pattern, str) or not pattern:
        raise LoraError(f"{key} holds {brief(pattern)}: give names or regular expressions of layers.")
    if len(pattern) > MOST_LETTERS:
        raise LoraError(f"{key} holds a pattern of {len(pattern)} letters: give at most {MOST_LETTERS}.")
    try:
        count = _matchings(_parser.parse(pattern))
        _compiled(pattern)
    except (re.error, RecursionError, OverflowError, ValueError) as error:
        meant = of_wildcards(pattern)
        instead = "correct it" if meant is None else f"write {meant!r}"
        raise LoraError(
            f"{key} holds {brief(pattern)}, which is not a regular expression ({error}): {instead}."
        ) from error
    return count


def _matchings(parsed: Any) -> int:
    """At most in how many ways a parsed expression matches the start of a name: what backtracking can try."""
    total = 1
    for code, argument in parsed:
        total = min(total * _matchings_of(str(code), argument), MOST_MATCHINGS + 1)
    return total


def _matchings_of(code: str, argument: Any) -> int:
    if code.endswith("_REPEAT"):
        return _matchings_repeated(*argument)
    if code == "BRANCH":
        return sum(map(_matchings, argument[1]))
    if code == "GROUPREF_EXISTS":
        return sum(_matchings(branch) for branch in argument[1:] if branch is not None)
    if code == "SUBPATTERN":
        return _matchings(argument[-1])
    if code in ("ASSERT", "ASSERT_NOT"):
        return _matchings(argument[1])
    return _matchings(argument) if code == "ATOMIC_GROUP" else 1


def _matchings_repeated(least: int, most: int, item: Iterable[Any]) -> int:
    if least > NAME_LETTERS:
        return MOST_MATCHINGS + 1
    once, total = _matchings(item), 0
    for times in range(least, min(most, NAME_LETTERS) + 1):
        total += once**times
        if total > MOST_MATCHINGS:
            break
    return total
