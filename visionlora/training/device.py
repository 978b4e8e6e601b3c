"""Where a run computes."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from visionlora.errors import VisionLoraError


def choose_device(accelerator: str) -> torch.device:
    """The device that ``trainer.accelerator`` means: a GPU where there is one, unless it says cpu.

    Raises:
        VisionLoraError: a GPU is asked for and PyTorch sees none.
    """
    available = torch.cuda.is_available()
    if accelerator in ("gpu", "cuda") and not available:
        raise VisionLoraError(
            f"trainer.accelerator={accelerator}, but PyTorch sees no GPU; use trainer.accelerator=cpu"
        )
    return torch.device("cuda" if available and accelerator != "cpu" else "cpu")


def seconds(device: torch.device, act: Callable[[], object]) -> float:
    """Wall time of ``act``, with what it asked of the device done."""
    _finish(device)
    start = time.perf_counter()
    act()
    _finish(device)
    return time.perf_counter() - start


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
