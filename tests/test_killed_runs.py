"""A goldfish run that is killed at any moment is resumed to the same bytes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

pytestmark = pytest.mark.slow

KILLS = 20
ADAPTER = ("adapter_model.safetensors", "adapter_config.json")
TICKS = os.sysconf("SC_CLK_TCK")


class Ended(NamedTuple):
    """A process's exit code, minus the signal that killed it, and its processor time."""

    code: int
    seconds: float


class Commands:
    """Runs ``visionlora train`` in processes of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.fork_commands"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    def train(self, *arguments: str, kill: tuple[signal.Signals, float] | None = None) -> Ended:
        """Train; with ``kill`` send the signal after so many seconds of the process's processor time."""
        assert self._server.stdin is not None and self._server.stdout is not None
        self._server.stdin.write(json.dumps([str(self.directory), "train", *arguments]) + "\n")
        self._server.stdin.flush()
        process = int(self._server.stdout.readline())
        if kill is not None:
            with suppress(FileNotFoundError, ProcessLookupError):  # it ended before
                while processor_seconds(process) < kill[1]:
                    time.sleep(0.005)
                os.kill(process, kill[0])
        return Ended(*json.loads(self._server.stdout.readline()))

    def told(self) -> str:
        """Everything on standard error."""
        return (self.directory / "err").read_text()

    def close(self) -> None:
        """End."""
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait()


def processor_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    if fields[0] == "Z":
        raise ProcessLookupError
    return (int(fields[11]) + int(fields[12])) / TICKS


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    commands = Commands(tmp_path)
    yield commands
    commands.close()


OPTIONS = (
    "data=goldfish", "model=pocket", "trainer.max_steps=8", "trainer.validations=2",
    "trainer.checkpoint_steps=2", "trainer.accelerator=cpu", "retention.root=null", "contrast.root=null",
    "retention.strengths=4", "trainer.progress=false",
)  # fmt: skip


def adapter(run: Path) -> list[bytes]:
    return [(run / "adapter" / name).read_bytes() for name in ADAPTER]


@pytest.mark.parametrize(
    ("number", "workers"),
    [(signal.SIGKILL, 0), (signal.SIGKILL, 2), (signal.SIGTERM, 0), (signal.SIGTERM, 2)],
)
def test_a_run_that_is_killed_at_any_moment_ends_at_the_same_bytes(
    commands: Commands, tmp_path: Path, number: signal.Signals, workers: int
) -> None:
    whole = commands.train(*OPTIONS, f"hydra.run.dir={tmp_path / 'whole'}")
    assert whole.code == 0, commands.told()
    expected = adapter(tmp_path / "whole")
    chance = random.Random(f"{number} {workers}")
    found = {}
    for kill in range(KILLS):
        run = tmp_path / f"{kill}"
        begin = (
            *OPTIONS, f"data.workers={workers}", f"trainer.kernel={tmp_path / 'whole' / 'kernels.json'}",
            f"hydra.run.dir={run}",
        )  # fmt: skip
        moment = (kill + chance.random()) / KILLS * whole.seconds
        ended = commands.train(*begin, kill=(number, moment))
        times = 0
        while ended.code != 0:
            assert ended.code in (-number, 128 + number), (moment, commands.told())
            # Before there is a configuration in the folder there is no run to resume.
            again = (f"resume={run}",) if (run / "config.yaml").exists() else begin
            # A run that is continued may be killed again.
            moment = chance.random() * whole.seconds
            ended = commands.train(*again, kill=(number, moment) if times == 0 else None)
            times += 1
        found[kill] = adapter(run) == expected
        assert not list(run.rglob("*.tmp"))
    assert list(found.values()) == [True] * KILLS, found
    print(f"{sum(found.values())} of {KILLS} equal")


def test_the_same_configuration_gives_the_same_bytes_with_any_number_of_workers(
    commands: Commands, tmp_path: Path
) -> None:
    assert commands.train(*OPTIONS, f"hydra.run.dir={tmp_path / 'first'}").code == 0, commands.told()
    kernels = f"trainer.kernel={tmp_path / 'first' / 'kernels.json'}"
    for workers in (0, 1, 2):
        run = tmp_path / f"{workers}"
        left = commands.train(*OPTIONS, kernels, f"data.workers={workers}", f"hydra.run.dir={run}")
        assert left.code == 0, commands.told()
        assert adapter(run) == adapter(tmp_path / "first"), workers
