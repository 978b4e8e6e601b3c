"""Parameter groups for an optimizer: LoRA+ (Hayou et al. 2024, https://arxiv.org/abs/2402.12354).

B starts at zero and A does not, so one learning rate is too low for B or too high for A (section 4). LoRA+
gives B a rate that is `ratio` times A's.
"""

from __future__ import annotations

import math
from typing import Any

from torch import nn

from visionlora.adapters.config import LoraConfig
from visionlora.adapters.errors import LoraError
from visionlora.adapters.families import FAMILIES
from visionlora.adapters.network import active_adapters, adapter_parameters


def adapter_parameter_groups(model: nn.Module, lr: float, ratio: float = 16.0) -> list[dict[str, Any]]:
    """The active adapters' parameters in two groups, `lr` for A and everything else, `ratio * lr` for B.

    Args:
        model: an adapted network.
        lr: the learning rate of A.
        ratio: LoRA+'s lambda; the paper's 16.

    Returns:
        What an optimizer takes, groups without parameters left out; each has "name", "A" or "B".

    Raises:
        LoraError: no adapters, or a number that is not positive.
    """
    for key, value in (("lr", lr), ("ratio", ratio)):
        if not (math.isfinite(value) and value > 0):
            raise LoraError(f"{key} is {value!r}: give a positive number.")
    groups: dict[str, list[nn.Parameter]] = {"A": [], "B": []}
    for adapter in active_adapters(model):
        for name, parameter in adapter.named_parameters():
            groups["B" if name == "lora_B" else "A"].append(parameter)
    rates = {"A": lr, "B": ratio * lr}
    return [{"name": name, "params": one, "lr": rates[name]} for name, one in groups.items() if one]


def learning_rate_factor(config: LoraConfig) -> float:
    """How many times LoRA's learning rate suits the families of a configuration: the least of theirs."""
    return min(FAMILIES[family].lr_factor for family in config.families)


def trained_groups(
    network: nn.Module, lr: float, factor: float | None, b_factor: float = 1.0
) -> list[dict[str, Any]]:
    """All that is trained, as an optimizer takes it, a group for each learning rate.

    The active adapters train at `factor * lr` (None: `lr`), their B at `b_factor` times that (LoRA+), and the
    rest, a new head, at `lr`.
    """
    of_b = {
        id(parameter)
        for adapter in active_adapters(network)
        for name, parameter in adapter.named_parameters()
        if name == "lora_B"
    }
    adapters = {id(parameter) for parameter in adapter_parameters(network)}
    groups: dict[float, list[nn.Parameter]] = {}
    for parameter in network.parameters():
        if parameter.requires_grad:
            rate = lr * (1 if factor is None else factor) if id(parameter) in adapters else lr
            groups.setdefault(rate * b_factor if id(parameter) in of_b else rate, []).append(parameter)
    return [{"params": parameters, "lr": rate} for rate, parameters in groups.items()]
