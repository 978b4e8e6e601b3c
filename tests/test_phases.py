"""The time of a job is split into phases that add up to the whole."""

from __future__ import annotations

import time

import pytest

from visionlora.phases import PHASES, listen, phase, seconds_so_far, timed_phases


def test_every_moment_belongs_to_the_innermost_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    with timed_phases():
        now = 1.0
        with phase("steps"):
            now = 3.0
            with phase("validation"):
                now = 7.0
            now = 15.0
        now = 31.0
        seconds = seconds_so_far()
    assert (seconds["setup_s"], seconds["steps_s"], seconds["validation_s"]) == (17.0, 10.0, 4.0)
    assert seconds["total_s"] == sum(seconds[f"{name}_s"] for name in PHASES) == 31.0


def test_a_phase_ends_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    with timed_phases():
        with pytest.raises(KeyError), phase("steps"):
            now = 1.0
            raise KeyError
        now = 5.0
        assert seconds_so_far()["setup_s"] == 4.0


def test_nothing_is_timed_where_nobody_asks() -> None:
    with phase("steps"):
        assert seconds_so_far() == {}


def test_an_unknown_phase_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no phase is called 'step'; there are setup"), phase("step"):
        pass


def test_a_listener_hears_each_phase_and_the_one_that_goes_on_after_it() -> None:
    heard: list[str] = []
    with timed_phases():
        listen(heard.append)
        with phase("steps"), phase("validation"):
            pass
    assert heard == ["steps", "validation", "steps", "setup"]


def test_outside_of_a_job_nobody_listens() -> None:
    listen(lambda name: pytest.fail(name))
    with phase("steps"):
        pass
