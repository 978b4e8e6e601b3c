"""At least 20,000 mutated files: every one is read, or refused with an error of ours, soon and in bounds."""

from __future__ import annotations

import os
import signal
import warnings
from pathlib import Path

import pytest
import torch

from tests.fuzz.readers import READERS
from tests.fuzz.workers import MEMORY, SECONDS, Findings, read_all
from visionlora.errors import VisionLoraError


@pytest.fixture(autouse=True)
def one_thread():
    """A forked process cannot use PyTorch's pool of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    torch.set_num_threads(threads)


def test_the_slow_suite_reads_enough_mutations() -> None:
    assert sum(reader.count for reader in READERS.values()) >= 20_000


def assert_harmless(name: str, findings: Findings, count: int) -> None:
    print(f"{name}: {findings}")
    assert findings.failures == []
    assert findings.read == count
    assert findings.refused > count / 10, "hardly anything is mutated enough to be refused"
    assert findings.slowest <= SECONDS
    assert findings.peak <= MEMORY


@pytest.mark.parametrize("name", READERS)
def test_some_mutated_files_do_no_harm(name: str, tmp_path: Path) -> None:
    count = 40
    assert_harmless(name, read_all(READERS[name].prepare(tmp_path), count), count)


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_thousands_of_mutated_files_do_no_harm(name: str, tmp_path: Path) -> None:
    count = READERS[name].count
    assert_harmless(name, read_all(READERS[name].prepare(tmp_path), count), count)


def a_traceback(number: int) -> None:
    if number == 1:
        raise KeyError("x")
    raise VisionLoraError("refused")


def a_hang(number: int) -> None:
    while number == 1:
        pass


def a_crash(number: int) -> None:
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)


def a_memory_bomb(number: int) -> None:
    # In pieces and far beyond the limit: a single allocation may fit into what the heap holds already.
    if number == 1:
        [bytes(MEMORY // 8) for _ in range(128)]


@pytest.mark.parametrize(
    ("read", "said"),
    [(a_traceback, "KeyError"), (a_hang, "_TooSlow"), (a_crash, "crashed"), (a_memory_bomb, "MemoryError")],
)
def test_the_fuzzer_notices_what_it_looks_for(read, said, monkeypatch: pytest.MonkeyPatch) -> None:
    # The others fail at once, but for a machine that stands still for seconds.
    monkeypatch.setattr("tests.fuzz.workers.SECONDS", 0.2 if read is a_hang else 30)
    findings = read_all(read, 3)
    assert findings.read == 3
    (failure,) = findings.failures
    assert failure.startswith("1: ")
    assert said in failure
