"""The machine and the versions that measurements belong to."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

# Instructions that decide which kernels oneDNN picks.
_FLAGS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "asimd", "bf16", "sve")
_PACKAGES = ("torch", "torchvision", "peft", "lycoris-lora")


def machine() -> dict[str, str]:
    """Processor, cores, instruction sets, memory, graphics card."""
    described = _processor()
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


def _processor() -> dict[str, str]:
    told = Path("/proc/cpuinfo")
    if not told.exists():
        return {"CPU": platform.processor() or platform.machine(), "instructions": "unknown"}
    pairs = (line.partition(":") for line in told.read_text().split("\n\n")[0].splitlines())
    facts = {key.strip(): value.strip() for key, _, value in pairs}
    flags = facts.get("flags", facts.get("Features", "")).split()
    model = facts.get("model name", platform.machine())
    numbers = " ".join(f"{key} {facts[key]}" for key in ("cpu family", "model") if key in facts)
    found = " ".join(flag for flag in _FLAGS if flag in flags) or "unknown"
    return {"CPU": f"{model} ({numbers})" if numbers else model, "instructions": found}
