"""Which floating-point type a step is computed in: measured, not guessed."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from visionlora.device import has_bfloat16
from visionlora.kernels.autotune import timed
from visionlora.run_folder.kernel_choices import TimedChoices

TYPES = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
"""What Lightning's words cast to."""


def choose_precision(wanted: str, network: nn.Module, *inputs: Tensor, repeats: int = 3) -> tuple[str, str]:
    """Lightning's word for the precision, and the reason in a sentence.

    ``auto`` times a forward and backward pass in float32 and under bfloat16 autocast, in turn, where the
    hardware computes bfloat16 itself, and takes bfloat16 if it is at least a tenth faster.

    Args:
        wanted: ``auto`` or the answer itself.
        network: an adapted network on its device, or what of it is left to compute.
        inputs: what it is called with, on the same device; images are (batch, 3, height, width).
        repeats: timed passes of each kind, after one that is not counted.
    """
    if wanted != "auto":
        return wanted, "as configured"
    if not has_bfloat16(inputs[0].device):
        return "32-true", "this hardware has no bfloat16 arithmetic"
    taken: dict[bool, list[float]] = {False: [], True: []}
    for repeat in range(repeats + 1):
        for low in (False, True):
            elapsed = pass_seconds(network, inputs, torch.bfloat16 if low else None)
            if repeat:
                taken[low].append(elapsed)
    ratio = statistics.median(taken[True]) / statistics.median(taken[False])
    if ratio <= 0.9:
        return "bf16-mixed", f"bfloat16 takes {ratio:.2f} of float32's time here"
    return "32-true", f"bfloat16 takes {ratio:.2f} of float32's time here"


def recorded_precision(
    wanted: str, choices: TimedChoices, network: nn.Module, *inputs: Tensor
) -> tuple[str, str]:
    """:func:`choose_precision`, unless ``choices`` replays what it found before."""
    if wanted != "auto":
        return wanted, "as configured"
    reason = "as recorded in kernels.json"

    def time() -> str:
        nonlocal reason
        precision, reason = choose_precision(wanted, network, *inputs)
        return precision

    return choices.choose("precision", ("32-true", *TYPES), time), reason


def pass_seconds(network: nn.Module, inputs: Sequence[Tensor], low: torch.dtype | None) -> float:
    """Wall time of one forward and backward pass, under autocast to ``low`` where that is given.

    Gradients are gone afterwards.
    """
    device = inputs[0].device

    def step() -> None:
        with torch.autocast(device.type, dtype=low, enabled=low is not None):
            loss = network(*inputs).float().square().mean()
        loss.backward()

    elapsed = timed(step, device)
    network.zero_grad(set_to_none=True)
    return elapsed
