"""How every benchmark ends."""

from __future__ import annotations

import argparse
import signal
from datetime import date

import pytest

from benchmarks.command import run_command
from benchmarks.results import section
from visionlora.errors import VisionLoraError
from visionlora.signals import Stopped


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [(VisionLoraError("no such folder"), 2, "no such folder"), (Stopped(signal.SIGTERM), 143, "SIGTERM")],
)
def test_a_mistake_or_a_signal_ends_it_with_one_line(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(options: argparse.Namespace, command: str) -> None:
        raise error

    with pytest.raises(SystemExit) as ended:
        run_command(argparse.ArgumentParser("bench"), run, [])
    assert ended.value.code == code
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("bench: ") and said in lines[0]


def test_a_section_says_when_it_was_written_and_by_which_command() -> None:
    text = section("Steps", "python -m benchmarks.steps", "12 ms")
    assert text.startswith("## Steps\n\n")
    assert f". Written {date.today()}.\n\n```sh\npython -m benchmarks.steps\n```\n\n12 ms" in text
