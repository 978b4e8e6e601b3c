"""Adapters for convolutional networks. Needs PyTorch alone.

from visionlora.adapters import LoraConfig, attach, adapter_parameters, merge

attach(network, LoraConfig(rank=8))
optimizer = torch.optim.AdamW(adapter_parameters(network), lr=1e-3)
...
merge(network)  # a plain network again, with what was learned in its weights
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from visionlora.adapters.api import *  # noqa: F403


def __getattr__(name: str) -> Any:
    # Imported when first used: --help needs the options in visionlora.adapters.config, and not torch.
    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(importlib.import_module("visionlora.adapters.api"), name)
