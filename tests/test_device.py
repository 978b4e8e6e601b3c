"""Where a run computes, and with which memory."""

from __future__ import annotations

import ctypes
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


SMALL = """
import ctypes
from visionlora.device import _CHUNKS, _SMALL, keep_freed_memory

class Heap(ctypes.Structure):
    size, several = ctypes.c_size_t, ctypes.c_size_t * 8
    _fields_ = [("arena", size), ("free_chunks", size), ("rest", several)]

count = ctypes.CDLL(None).mallinfo2
count.restype = Heap
assert keep_freed_memory(False)
before = count().free_chunks
assert keep_freed_memory()
print((count().free_chunks - before) / (_CHUNKS * len(_SMALL)))
"""
GIVE_BACK = """
import numpy
from benchmarks.timing import resident_memory
from visionlora.device import give_back_freed_memory, keep_freed_memory

assert keep_freed_memory()
before = resident_memory()
tensors = [numpy.ones(20_000_000, numpy.uint8) for _ in range(10)]
del tensors[:-1]
kept = resident_memory() - before
give_back_freed_memory()
print(kept, resident_memory() - before)
"""


glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told what to do")


@glibc
def test_where_freed_memory_is_kept_small_objects_have_chunks_between_no_tensors() -> None:
    if not hasattr(ctypes.CDLL(None), "mallinfo2"):
        pytest.skip("an older glibc counts no chunks")
    done = subprocess.run([sys.executable, "-c", SMALL], capture_output=True, text=True, check=True)
    assert 0.9 < float(done.stdout) < 1.1


@glibc
def test_freed_memory_stays_with_the_process_until_it_is_told_to_give_it_back() -> None:
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    given_back, kept, given_back_again = map(int, done.stdout.split())
    assert given_back < 20_000_000 < 180_000_000 < kept
    assert given_back_again < 20_000_000


@glibc
def test_what_was_freed_below_a_living_tensor_is_given_back_once_where_freed_memory_is_kept() -> None:
    done = subprocess.run([sys.executable, "-c", GIVE_BACK], capture_output=True, text=True, check=True)
    kept, given_back = map(int, done.stdout.split())
    assert given_back < 40_000_000 < 180_000_000 < kept


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
