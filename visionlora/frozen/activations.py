"""Activations that are slower in place.

The gradients of ReLU6, SiLU and similar activations are computed from their input. In place they would
overwrite it, so autograd copies it first: twice the memory traffic, and nothing is saved.
"""

from __future__ import annotations

from torch import nn

NEED_THEIR_INPUT = (nn.Hardtanh, nn.SiLU, nn.Hardswish, nn.Hardsigmoid, nn.Mish)  # ReLU6 is a Hardtanh


def out_of_place(model: nn.Module) -> None:
    """Take these activations out of place, until :func:`in_place_again`."""
    for module in model.modules():
        if isinstance(module, NEED_THEIR_INPUT) and module.inplace:
            module.inplace = False
            module.was_in_place = True  # type: ignore[assignment]


def in_place_again(model: nn.Module) -> None:
    """Put back in place what :func:`out_of_place` took out."""
    for module in model.modules():
        if vars(module).pop("was_in_place", False):
            module.inplace = True  # type: ignore[assignment]
