"""Long work shows how far it is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from visionlora.report.progress import progress


def shown(terminal: bool, seconds: float, unit: str = "images", total: int | None = 40) -> str:
    """What 40 steps of so many seconds each show."""
    stream = io.StringIO()
    now = [0.0]
    clock: Callable[[], float] = lambda: now[0]  # noqa: E731
    console = Console(file=stream, force_terminal=terminal, width=100)
    with progress(console, "predicting [b]", unit, clock) as advance:
        for done in range(1, 41):
            now[0] += seconds
            advance(done, total)
    return stream.getvalue()


def test_a_terminal_gets_a_bar_that_is_gone_at_the_end() -> None:
    text = shown(terminal=True, seconds=1)
    assert "predicting [b]" in text and "/40" in text
    assert text.endswith("\x1b[2K")


def test_other_output_gets_a_line_every_ten_seconds() -> None:
    assert shown(terminal=False, seconds=1).splitlines() == [
        f"predicting [b]: {done} of 40 images" for done in (10, 20, 30, 40)
    ]
    assert shown(terminal=False, seconds=5, unit="strengths", total=None).startswith(
        "predicting [b]: 2 strengths\n"
    )


@pytest.mark.parametrize("terminal", [True, False])
def test_work_of_less_than_a_second_shows_nothing(terminal: bool) -> None:
    assert shown(terminal, seconds=0.02) == ""
