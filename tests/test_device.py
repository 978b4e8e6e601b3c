"""Where a run computes, and with which memory."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from visionlora.device import choose_device, processor
from visionlora.errors import VisionLoraError

MEMORY = """
import numpy
from benchmarks.timing import resident_memory
from visionlora.device import keep_freed_memory

def left() -> int:
    before = resident_memory()
    numpy.ones(200_000_000, numpy.uint8)
    return resident_memory() - before

given_back = left()
assert keep_freed_memory()
kept = left()
assert keep_freed_memory(False)
import ctypes; ctypes.CDLL(None).malloc_trim(0)
print(given_back, kept, left())
"""


STEPS = """
import random
import torch
from benchmarks.timing import resident_memory
from visionlora.device import keep_freed_memory

def tensor(place: int) -> torch.Tensor:
    return torch.ones(2**20 + 256 * place)

torch.set_num_threads(1)
assert keep_freed_memory()
draw, before = random.Random(0), resident_memory()
for _ in range(8):
    saved = []
    for place in range(6):
        saved.append((tensor(place), [torch.ones(draw.randrange(1, 16)) for _ in range(30)]))
        tensor(place)
    while saved:
        gradient = tensor(len(saved) - 1)
        saved.pop()
        former, gradient = gradient, tensor(len(saved))
        del former, gradient
print((resident_memory() - before) / 2**22)
"""
glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told what to do")


@glibc
def test_the_place_of_a_freed_tensor_is_large_enough_for_the_next_of_its_size() -> None:
    done = subprocess.run([sys.executable, "-c", STEPS], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 11  # tensors; at most 8 are there at a time; 15 without small chunks


@glibc
def test_freed_memory_stays_with_the_process_until_it_is_told_to_give_it_back() -> None:
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    given_back, kept, given_back_again = map(int, done.stdout.split())
    assert given_back < 20_000_000 < 180_000_000 < kept
    assert given_back_again < 20_000_000


def test_requesting_a_missing_gpu_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert choose_device("auto").type == "cpu"
    with pytest.raises(VisionLoraError, match=r"trainer\.accelerator is gpu"):
        choose_device("gpu")


def test_the_processor_has_a_model_and_on_linux_instruction_sets(monkeypatch) -> None:
    described = processor()
    assert described.model
    assert bool(described.flags) == Path("/proc/cpuinfo").exists()

    def missing(path: Path) -> str:
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", missing)
    assert processor().model and processor().flags == ""
