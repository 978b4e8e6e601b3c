"""Where a run computes."""

from __future__ import annotations

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
