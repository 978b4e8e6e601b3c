"""How A and B of LoRA-like families start, by name. A new start is one function and one line here.

Each takes the frozen weight as (out, in/groups, kernel...), the settings and a generator, and gives a
`Start`. A start whose product is not zero is subtracted again, so that every adapted network begins at what
the frozen one computes, with the base tensors as they are. Starts that need data are in `from_data`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from visionlora.adapters.base import AdapterSettings
from visionlora.adapters.init.pissa import pissa
from visionlora.adapters.init.quantised import loftq
from visionlora.adapters.init.random import gaussian, orthogonal
from visionlora.adapters.init.start import Start

INITS: dict[str, Callable[[Tensor, AdapterSettings, torch.Generator], Start]] = {
    "gaussian": gaussian,
    "orthogonal": orthogonal,
    "pissa": pissa,
    "loftq": loftq,
}
FROM_DATA = ("eva", "lora_ga", "corda", "lora_null", "contrastive")
"""Starts that `attach` cannot make: they need images. A run makes them (`retention.starts`)."""
