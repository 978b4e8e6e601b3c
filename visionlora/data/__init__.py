"""Image folders: scan, check, label, split, transform, serve."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from visionlora.data.api import *  # noqa: F403


def __getattr__(name: str) -> Any:
    # Imported when first used: --help needs the options in visionlora.data.config, and not torch.
    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(importlib.import_module("visionlora.data.api"), name)
