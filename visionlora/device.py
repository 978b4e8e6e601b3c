"""Where a run computes, and how this process uses its memory there."""

from __future__ import annotations

import ctypes
import sys

import torch

from visionlora.errors import VisionLoraError


def choose_device(accelerator: str) -> torch.device:
    """The device for ``trainer.accelerator``: a GPU where there is one, unless it is cpu.

    Raises:
        VisionLoraError: a GPU is asked for and PyTorch sees none.
    """
    available = torch.cuda.is_available()
    if accelerator in ("gpu", "cuda") and not available:
        raise VisionLoraError(
            f"trainer.accelerator={accelerator}, but PyTorch sees no GPU; use trainer.accelerator=cpu"
        )
    return torch.device("cuda" if available and accelerator != "cpu" else "cpu")


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 numbers in hardware."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        flags = torch.cpu.get_capabilities()
        return any(flags.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return False


# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def keep_freed_memory() -> bool:
    """Have this process keep the memory that it frees, for its next tensors.

    By default glibc returns every tensor above 32 MB to the system, which clears each page again when the
    next step allocates it: a fifth to a quarter of the training time on two cores.

    Returns:
        Whether that was done; other C libraries are left as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    return mallopt is not None and bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, -1))
