"""VisionLoRA: low-rank adapters for pretrained convolutional networks.

    from visionlora import LoraConfig, attach, merge      # the mathematics: torch alone
    from visionlora import load                           # a trained network, from its adapter directory

Names are imported when they are first used, so that the mathematics alone loads torch and no more.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from visionlora.installed import ADVICE, COMMANDS_NEED, about_to_run_a_command, require_commands

__version__ = "0.1.0"

if about_to_run_a_command():  # it imports what it needs first, and would end in a traceback
    require_commands()

_PLACES = {
    "visionlora.adapters": (
        "LoraConfig", "LoraError", "adapted_layers", "adapter_parameters", "adapters_off", "attach", "detach",
        "load_adapter", "merge", "merged", "save_adapter",
    ),
    "visionlora.models": ("load_backbone", "list_backbones"),
    "visionlora.evaluation.classifier": ("Classifier", "load"),
    "visionlora.errors": ("VisionLoraError",),
}  # fmt: skip
_HOMES = {name: home for home, names in _PLACES.items() for name in names}

__all__ = sorted(_HOMES)

if TYPE_CHECKING:
    from visionlora.adapters import LoraConfig as LoraConfig
    from visionlora.adapters import LoraError as LoraError
    from visionlora.adapters import adapted_layers as adapted_layers
    from visionlora.adapters import adapter_parameters as adapter_parameters
    from visionlora.adapters import adapters_off as adapters_off
    from visionlora.adapters import attach as attach
    from visionlora.adapters import detach as detach
    from visionlora.adapters import load_adapter as load_adapter
    from visionlora.adapters import merge as merge
    from visionlora.adapters import merged as merged
    from visionlora.adapters import save_adapter as save_adapter
    from visionlora.errors import VisionLoraError as VisionLoraError
    from visionlora.evaluation.classifier import Classifier as Classifier
    from visionlora.evaluation.classifier import load as load
    from visionlora.models import list_backbones as list_backbones
    from visionlora.models import load_backbone as load_backbone


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'visionlora' has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in COMMANDS_NEED:
            raise
        raise ModuleNotFoundError(
            f"visionlora.{name} needs {error.name}: {ADVICE}", name=error.name, path=error.path
        ) from error


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
