"""How long each phase of a job takes: set-up, generated images, teacher, steps, validation and so on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

PHASES = ("setup", "generated", "teacher", "steps", "validation", "selection", "writing")
"""In the order in which a training run begins them."""


class PhaseClock:
    """Wall time by phase. Every moment belongs to one phase, the innermost, so the sum is the whole time.

    Args:
        first: the phase that is timed outside of all others.
    """

    def __init__(self, first: str) -> None:
        self._seconds = dict.fromkeys(PHASES, 0.0)
        self._phase = first
        self._since = time.perf_counter()
        self._core_since = time.process_time()
        self.listener: Callable[[str], None] | None = None
        """Called with each phase that begins or goes on."""

    def enter(self, phase: str) -> str:
        """From now on it is this phase; the one before."""
        before, now = self._phase, time.perf_counter()
        self._seconds[before] += now - self._since
        self._phase, self._since = phase, now
        return before

    def seconds(self) -> dict[str, float]:
        """Seconds so far: ``<phase>_s`` of each phase, ``total_s``, and ``core_s``, the processor time of
        this process and all of its threads."""
        self.enter(self._phase)
        return {
            **{f"{phase}_s": seconds for phase, seconds in self._seconds.items()},
            "total_s": sum(self._seconds.values()),
            "core_s": time.process_time() - self._core_since,
        }


_CLOCK: ContextVar[PhaseClock | None] = ContextVar("clock", default=None)


@contextmanager
def timed_phases() -> Iterator[PhaseClock]:
    """Inside, and in what is called from there, :func:`phase` is timed."""
    clock = PhaseClock("setup")
    token = _CLOCK.set(clock)
    try:
        yield clock
    finally:
        _CLOCK.reset(token)


@contextmanager
def phase(name: str) -> Iterator[None]:
    """Inside it is the phase ``name``; where nothing is timed it makes no difference."""
    if name not in PHASES:
        raise ValueError(f"no phase is called {name!r}; there are {', '.join(PHASES)}")
    clock = _CLOCK.get()
    if clock is None:
        yield
        return
    before = clock.enter(name)
    if clock.listener is not None and before != name:
        clock.listener(name)
    try:
        yield
    finally:
        clock.enter(before)
        if clock.listener is not None and before != name:
            clock.listener(before)


def listen(listener: Callable[[str], None]) -> None:
    """Call ``listener`` with each phase that begins or goes on, where phases are timed."""
    clock = _CLOCK.get()
    if clock is not None:
        clock.listener = listener


def seconds_so_far() -> dict[str, float]:
    """What the clock of the enclosing :func:`timed_phases` shows; nothing where there is none."""
    clock = _CLOCK.get()
    return clock.seconds() if clock else {}
