"""Where a run computes, and how this process uses its memory there."""

from __future__ import annotations

import ctypes
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch

READING_INTERVAL = 10
"""Training steps from one reading of an accelerator's numbers to the next. Reading one waits until everything
that was asked of the accelerator before is computed; meanwhile nothing new is asked of it."""


def choose_device(accelerator: str) -> torch.device:
    """The device that ``trainer.accelerator`` means.

    ``auto`` is the accelerator that PyTorch sees (CUDA, XPU, MPS), else the CPU; ``gpu`` is the accelerator,
    whatever its kind.

    Raises:
        VisionLoraError: a device is asked for that PyTorch does not see.
    """
    seen = torch.accelerator.current_accelerator(check_available=True)
    kind = "cpu" if seen is None else seen.type
    if accelerator == "cpu" or (accelerator == "auto" and seen is None):
        return torch.device("cpu")
    if seen is None or accelerator not in ("auto", "gpu", kind):
        # Here: the kernels use this module, and need torch alone.
        from visionlora.errors import VisionLoraError

        raise VisionLoraError(
            f"trainer.accelerator is {accelerator}, but PyTorch sees no such device here; use "
            "trainer.accelerator=auto or cpu"
        )
    from visionlora.this_process import this_process

    here = this_process()
    return torch.device(kind) if here.count == 1 else torch.device(kind, here.local_rank)


def reading_interval(device: torch.device) -> int:
    """Training steps from one reading of the device's numbers (loss, top-1) to the next."""
    return 1 if device.type == "cpu" else READING_INTERVAL


def pins_memory() -> bool:
    """Whether batches are copied to an accelerator from pinned memory; MPS shares the CPU's."""
    seen = torch.accelerator.current_accelerator(check_available=True)
    return seen is not None and seen.type != "mps"


def synchronize(device: torch.device) -> None:
    """Wait until the device has done everything that was asked of it."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


class Processor(NamedTuple):
    """A CPU's model, and its instruction sets, separated by spaces ("" where the system names none)."""

    model: str
    flags: str


def processor() -> Processor:
    """The first CPU of /proc/cpuinfo; on other systems what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        lines = []
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    model = facts.get("model name") or platform.processor() or platform.machine()
    if "cpu family" in facts and "model" in facts:  # one name may stand for several generations
        model += f" (cpu family {facts['cpu family']} model {facts['model']})"
    return Processor(model, facts.get("flags", facts.get("Features", "")))


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 numbers in hardware."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "xpu":
        return torch.xpu.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        flags = torch.cpu.get_capabilities()
        return any(flags.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return False


# From glibc's malloc.h.
_M_MXFAST, _M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_MMAP_MAX = 1, -1, -3, -4
_KEPT = {_M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: -1, _M_MXFAST: 0}
_GIVEN_BACK = {_M_MMAP_MAX: 65536, _M_MMAP_THRESHOLD: 2**24, _M_TRIM_THRESHOLD: 2**25, _M_MXFAST: 128}
_SMALL = range(24, 264, 16)
"""Bytes of the objects that have chunks of their own: larger ones do not fit into what is cut off."""
_CHUNKS = 1000
"""Of each of these sizes."""


def keep_freed_memory(kept: bool = True) -> bool:
    """Have this process keep the memory that it frees, for its next tensors, or give it back.

    By itself glibc gives every tensor above 32 MB back to the system, which clears each page again when the
    next step asks for it: a fifth to a quarter of the training time on two cores. What is kept lies between
    tensors that live on, so that a step takes more of it than its tensors need (docs/quantised.md). Given
    back is what is above 16 MB: above 32 MB alone left 160 MB more.

    Returns:
        Whether that was done; other C libraries are left as they are.
    """
    mallopt = _of_c_library("mallopt")
    if mallopt is None or not all(mallopt(*setting) for setting in (_KEPT if kept else _GIVEN_BACK).items()):
        return False
    if kept:
        _reserve_small_chunks()
    return True


def give_back_freed_memory() -> None:
    """Give back, once, the freed memory that this process keeps.

    After a phase of a job whose tensors have other sizes than the next one's: what it kept is in too small
    pieces for these, and would stay beside them. What the next phase needs costs a quarter of a second for
    each GB.
    """
    trim = _of_c_library("malloc_trim")
    if trim is not None:
        trim(0)


def _of_c_library(name: str) -> Any:
    """A function of glibc's; None: this system has another C library."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None


@cache
def _reserve_small_chunks() -> None:
    """Free some chunks of every small size, each between two that stay.

    For a tensor glibc takes up to 96 bytes more than it needs, and cuts them off: PyTorch wants addresses
    that are multiples of 64. Once small objects are in these bytes, the place of a freed tensor is too small
    for the next one of the same size. So small objects find chunks of their size elsewhere. That cannot
    help what is in a thread's cache of glibc's, seven chunks of a size: peaks differ from run to run.
    """
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.restype, libc.free.argtypes = None, [ctypes.c_void_p]
    for size in _SMALL:
        chunks = [libc.malloc(size) for _ in range(2 * _CHUNKS)]
        for chunk in chunks[::2]:
            libc.free(chunk)


@contextmanager
def seeded(device: torch.device, seed: int) -> Iterator[None]:
    """Inside, PyTorch's random numbers follow from a seed; their state is restored afterwards.

    Args:
        device: whose numbers, besides the CPU's.
        seed: of both.
    """
    devices = [device] if device.type in ("cuda", "xpu") else []
    with torch.random.fork_rng(devices, device_type=device.type if devices else "cuda"):
        torch.manual_seed(seed)
        yield
