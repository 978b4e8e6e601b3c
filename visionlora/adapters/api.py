"""The names that `visionlora.adapters` offers."""

from __future__ import annotations

from visionlora.adapters.attach import (
    adapted_layers,
    adapter_parameters,
    adapter_state,
    adapters_off,
    attach,
    detach,
    merge,
    merged,
    scale,
    scaled,
)
from visionlora.adapters.config import LoraConfig, LoraError
from visionlora.adapters.io.fingerprint import fingerprint
from visionlora.adapters.io.peft import load_adapter, read_adapter_config, save_adapter
from visionlora.adapters.layers import (
    FrozenBatchNorm,
    LoraConv1d,
    LoraConv2d,
    LoraConv3d,
    LoraLayer,
    LoraLinear,
)
from visionlora.frozen.folding import fold_batch_norm, folded, unfold_batch_norm

__all__ = [
    "FrozenBatchNorm",
    "LoraConfig",
    "LoraConv1d",
    "LoraConv2d",
    "LoraConv3d",
    "LoraError",
    "LoraLayer",
    "LoraLinear",
    "adapted_layers",
    "adapter_parameters",
    "adapter_state",
    "adapters_off",
    "attach",
    "detach",
    "fingerprint",
    "fold_batch_norm",
    "folded",
    "load_adapter",
    "merge",
    "merged",
    "read_adapter_config",
    "save_adapter",
    "scale",
    "scaled",
    "unfold_batch_norm",
]
