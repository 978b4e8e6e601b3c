"""Low-rank adapters for convolutional networks. Needs PyTorch alone.

from visionlora.adapters import LoraConfig, adapter_parameters, merge
from visionlora.adapters import attach

attach(network, LoraConfig(rank=8))
optimizer = torch.optim.AdamW(adapter_parameters(network), lr=1e-3)
...
merge(network)  # a plain network again, with what was learned in its weights
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from visionlora.adapters.api import *  # noqa: F403


def __getattr__(name: str) -> Any:
    # Imported when first used: --help needs the options in visionlora.adapters.config, and not torch.
    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(importlib.import_module("visionlora.adapters.api"), name)


class _Package(ModuleType):
    """When `visionlora.adapters.attach` is imported, the package's `attach` stays the function."""

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, getattr(value, name, value) if isinstance(value, ModuleType) else value)


sys.modules[__name__].__class__ = _Package
