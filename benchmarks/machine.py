"""The machine and the versions that measurements belong to."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version

import torch

from visionlora.device import processor

# Instructions that decide which kernels oneDNN picks.
_FLAGS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "asimd", "bf16", "sve")
_PACKAGES = ("torch", "torchvision", "peft", "lycoris-lora")


def machine() -> dict[str, str]:
    """Processor, cores, instruction sets, memory, graphics card."""
    model, flags = processor()
    found = " ".join(flag for flag in _FLAGS if flag in flags.split()) or "unknown"
    described = {"CPU": model, "instructions": found}
    described |= {"cores": str(_cores()), "system": platform.platform(terse=True)}
    if torch.cuda.is_available():
        card = torch.cuda.get_device_properties(0)
        described["GPU"] = f"{card.name}, {card.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}"
    else:
        described["GPU"] = "none"
    return described


def versions() -> dict[str, str]:
    """Versions of Python and the measured packages; `not installed` for a missing one."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
