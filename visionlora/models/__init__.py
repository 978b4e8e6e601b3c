"""Pretrained networks: registry, weight files, class names, preprocessing and heads."""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from visionlora.models.api import *  # noqa: F403


def __getattr__(name: str) -> Any:
    # Imported when first used: --help needs the options in visionlora.models.config, and not torch.
    if name.startswith("__"):
        raise AttributeError(name)
    if importlib.util.find_spec(f"{__name__}.{name}") is not None:
        # A module, imported by one that the names below come from: they cannot be asked for yet.
        return importlib.import_module(f"{__name__}.{name}")
    return getattr(importlib.import_module("visionlora.models.api"), name)
