"""PEFT's `adapter_config.json`, written and read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from visionlora.adapters.base import Adapter, AdapterSettings
from visionlora.adapters.config import LoraConfig, LoraError, exactly
from visionlora.adapters.families import FAMILIES

CONFIG_FILE = "adapter_config.json"

# Each of these changes what the tensors mean, or which there are.
_OTHER_METHODS = (
    "use_dora", "use_qalora", "lora_bias", "fan_in_fan_out", "alora_invocation_tokens", "layer_replication",
    "target_parameters", "trainable_token_indices", "velora_config", "monteclora_config", "use_bdlora",
    "arrow_config", "kasa_config",
)  # fmt: skip
# The others (pissa, olora, corda, loftq, ...) change the base weights too.
_PLAIN_STARTS = (None, True, False, "gaussian", "orthogonal", "eva")


def read_adapter_config(directory: str | Path) -> dict[str, Any]:
    """`adapter_config.json`, checked; our own keys under "visionlora", which is {} where PEFT saved the
    adapter.

    Raises:
        LoraError: no such file, not JSON, or not an adapter of a family that is known here.
    """
    path = Path(directory) / CONFIG_FILE
    if not path.is_file():
        raise LoraError(f"{path} does not exist: give an adapter directory, which holds {CONFIG_FILE}.")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise LoraError(f"{path} is not JSON ({error}): save the adapter again.") from error
    own = _own_keys(config) if isinstance(config, dict) else {}
    family = _family_of(config, own) if isinstance(config, dict) else None
    if family is None:
        known = ", ".join(family.peft_type or name for name, family in FAMILIES.items())
        raise LoraError(f"{path}: peft_type is none of those that can be loaded ({known}).")
    others = [key for key in _OTHER_METHODS if config.get(key)]
    others += ["bias"] if config.get("bias", "none") != "none" else []
    others += ["init_lora_weights"] if config.get("init_lora_weights") not in _PLAIN_STARTS else []
    if others:
        raise LoraError(
            f"{path} uses {', '.join(others)}: only plain LoRA can be loaded; convert it in PEFT."
        )
    config["family"], config["visionlora"] = family, own
    lora_config(config, path)
    config["modules_to_save"] = list(config.get("modules_to_save") or [])
    return config


def _own_keys(config: Mapping[str, Any]) -> dict[str, Any]:
    return (config.get("auto_mapping") or {}).get("visionlora") or {}


def _family_of(config: Mapping[str, Any], own: Mapping[str, Any]) -> str | None:
    """The family's name here; None where there is none."""
    kind = config.get("peft_type")
    named = {name: _peft_type(name) for name in FAMILIES}
    if own.get("family") in named:
        return str(own["family"]) if kind == named[own["family"]] else None
    return next((name for name, peft_type in named.items() if peft_type == kind), None)


def _peft_type(family: str) -> str:
    """What `peft_type` says of a family; a name that PEFT refuses where it has none."""
    return FAMILIES[family].peft_type or f"VISIONLORA_{family.upper()}"


def lora_config(config: Mapping[str, Any], path: Path) -> LoraConfig:
    alpha = config.get("lora_alpha" if config["family"] == "lora" else "alpha", 8)
    try:
        return LoraConfig(
            family=config["family"],
            rank=config.get("r", 8),
            alpha=alpha,
            dropout=config.get("lora_dropout", 0.0),
            rank_pattern=config.get("rank_pattern") or {},
            alpha_pattern=config.get("alpha_pattern") or {},
            rslora=config.get("use_rslora", False),
        )
    except LoraError as error:
        raise LoraError(f"{path}: {error}") from error


def settings_to_peft(adapters: Mapping[str, Adapter], own: dict[str, Any]) -> dict[str, Any]:
    """The family's part of PEFT's configuration; a strength that PEFT can't hold goes into our own keys."""
    first = next(iter(adapters.values()), None)
    settings = AdapterSettings() if first is None else first.settings
    own["family"] = settings.family
    rank, rank_pattern = _common({site: one.settings.rank for site, one in adapters.items()}, settings.rank)
    alphas = {site: one.settings.alpha * one.strength for site, one in adapters.items()}
    alpha, alpha_pattern = _common(alphas, settings.alpha)
    config = {"r": rank, "rank_pattern": rank_pattern, "alpha_pattern": alpha_pattern}
    if settings.family == "lora":
        return {
            **config,
            "peft_type": "LORA",
            "lora_alpha": alpha,
            "use_rslora": settings.rslora,
            "lora_dropout": settings.dropout,
            "fan_in_fan_out": False,
            "init_lora_weights": True,
        }
    return {**config, "peft_type": _peft_type(settings.family), "alpha": alpha}


def _common(values: Mapping[str, Any], default: Any) -> tuple[Any, dict[str, Any]]:
    """The most frequent value, and a pattern for each layer that has another."""
    usual = Counter(values.values()).most_common(1)[0][0] if values else default
    return usual, {exactly(name): value for name, value in values.items() if value != usual}
