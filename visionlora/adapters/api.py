"""The names that `visionlora.adapters` offers."""

from __future__ import annotations

from visionlora.adapters.attaching import activate, attach, detach
from visionlora.adapters.base import Adapter, AdapterSettings, LowRank
from visionlora.adapters.config import LoraConfig
from visionlora.adapters.errors import LoraError
from visionlora.adapters.extraction import extract, extract_difference
from visionlora.adapters.families import FAMILIES
from visionlora.adapters.full_fine_tune import extract_tuned
from visionlora.adapters.io.directory import load_adapter, save_adapter
from visionlora.adapters.io.fingerprint import fingerprint
from visionlora.adapters.io.formats import load_file
from visionlora.adapters.io.loralib import save_loralib
from visionlora.adapters.io.lycoris_write import save_lycoris
from visionlora.adapters.io.peft_config import peft_refusal, read_adapter_config
from visionlora.adapters.io.peft_export import save_peft
from visionlora.adapters.layers import AdaptedLayer
from visionlora.adapters.merging import adapters_off, merge, merged, scale, scaled
from visionlora.adapters.mixed import predict_mixed
from visionlora.adapters.network import (
    active_adapters,
    adapted_layers,
    adapter_names,
    adapter_parameters,
    adapter_regularizer,
    adapter_state,
    cut_rank,
    load_part,
    named_adapters,
    start_adapters,
    step_adapters,
)
from visionlora.adapters.parameter_groups import adapter_parameter_groups
from visionlora.frozen.folding import fold_batch_norm, folded, unfold_batch_norm
from visionlora.frozen.norm import FrozenBatchNorm

__all__ = [
    "FAMILIES",
    "AdaptedLayer",
    "Adapter",
    "AdapterSettings",
    "FrozenBatchNorm",
    "LoraConfig",
    "LoraError",
    "LowRank",
    "activate",
    "active_adapters",
    "adapted_layers",
    "adapter_names",
    "adapter_parameter_groups",
    "adapter_parameters",
    "adapter_regularizer",
    "adapter_state",
    "adapters_off",
    "attach",
    "cut_rank",
    "detach",
    "extract",
    "extract_difference",
    "extract_tuned",
    "fingerprint",
    "fold_batch_norm",
    "folded",
    "load_adapter",
    "load_file",
    "load_part",
    "merge",
    "merged",
    "named_adapters",
    "peft_refusal",
    "predict_mixed",
    "read_adapter_config",
    "save_adapter",
    "save_loralib",
    "save_lycoris",
    "save_peft",
    "scale",
    "scaled",
    "start_adapters",
    "step_adapters",
    "unfold_batch_norm",
]
