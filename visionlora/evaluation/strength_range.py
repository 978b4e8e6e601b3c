"""A strength, or a range of strengths, as it is written on the command line."""

from __future__ import annotations

import re

_RANGE = re.compile(r"(\d*\.?\d+):(\d*\.?\d+):(\d*\.?\d+)")
MOST_POINTS = 1000
MOST_STRENGTH = 100.0


def strengths_of(given: float | str) -> tuple[float, ...]:
    """One strength, or those of a range `FROM:TO:STEP`, both ends among them where the step leads there.

    Raises:
        ValueError: it is neither, or an empty or endless range.
    """
    try:
        single = float(given)
    except ValueError:
        return _range(str(given))
    if not 0 <= single <= MOST_STRENGTH:
        raise ValueError(f"strength is {given}; give a number from 0 to {MOST_STRENGTH:g}")
    return (single,)


def _range(text: str) -> tuple[float, ...]:
    match = _RANGE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"strength is {text!r}; give a number, or a range FROM:TO:STEP such as 0:1:0.1")
    first, last, step = map(float, match.groups())
    if not (step > 0 and first < last <= MOST_STRENGTH and (last - first) / step < MOST_POINTS):
        raise ValueError(
            f"strength is {text!r}; give a rising range up to {MOST_STRENGTH:g} of at most {MOST_POINTS} "
            "values"
        )
    count = int((last - first) / step + 1e-9)
    return tuple(round(first + place * step, 9) for place in range(count + 1))
