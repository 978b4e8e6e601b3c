"""PEFT's `adapter_config.json`, written and read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import nn

from visionlora.adapters.base import Adapter, AdapterSettings
from visionlora.adapters.config import LoraConfig
from visionlora.adapters.errors import LoraError
from visionlora.adapters.families import FAMILIES
from visionlora.adapters.io.config_file import CONFIG_FILE, read_config_file
from visionlora.adapters.io.other_programs import Places, adapter_obstacle
from visionlora.adapters.patterns import exactly
from visionlora.text import brief

# Each of these changes what the tensors mean, or which there are; DoRA is a family of its own here.
_OTHER_METHODS = (
    "use_qalora", "lora_bias", "fan_in_fan_out", "alora_invocation_tokens", "layer_replication",
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
    config = read_config_file(path)
    own = config.pop("visionlora")
    family = _family_of(config, own)
    if family is None:
        if own.get("family") in FAMILIES:
            raise LoraError(
                f"{path}: visionlora.family is {own['family']}, and peft_type is "
                f"{brief(config.get('peft_type'))}, which is not that family's: save the adapter again."
            )
        known = ", ".join(dict.fromkeys(family.peft_type or name for name, family in FAMILIES.items()))
        raise LoraError(f"{path}: peft_type is not one of those that can be loaded ({known}).")
    others = [key for key in _OTHER_METHODS if config.get(key)]
    others += ["use_dora"] if config.get("use_dora") and family != "dora" else []
    others += ["init_lora_weights"] if config.get("init_lora_weights") not in _PLAIN_STARTS else []
    if others:
        raise LoraError(
            f"{path} uses {', '.join(others)}: these variants can't be loaded; convert it in PEFT."
        )
    config["family"], config["visionlora"] = family, own
    lora_config(config, path)
    config["modules_to_save"] = list(config.get("modules_to_save") or [])
    return config


def _family_of(config: Mapping[str, Any], own: Mapping[str, Any]) -> str | None:
    """The family's name here; None where there is none."""
    kind, named = config.get("peft_type"), own.get("family")
    if named in FAMILIES:
        return str(named) if kind in (FAMILIES[named].peft_type, _foreign_type(named)) else None
    if kind == "LORA":
        return "dora" if config.get("use_dora") else "lora"
    return next((name for name, family in FAMILIES.items() if family.peft_type == kind), None)


def peft_refusal(config: Mapping[str, Any]) -> str | None:
    """Why PEFT refuses an adapter, as a clause; None where it loads it.

    Args:
        config: as `read_adapter_config` gives it.
    """
    if config["peft_type"] != _foreign_type(config["family"]):
        return None
    return str(config["visionlora"].get("not_for_peft") or f"PEFT has no {config['family']}")


def _foreign_type(family: str) -> str:
    """A `peft_type` that PEFT refuses: it has no such family, or would compute something else."""
    return f"VISIONLORA_{family.upper()}"


def lora_config(config: Mapping[str, Any], path: Path) -> LoraConfig:
    """The settings of a configuration that `read_adapter_config` gave.

    Raises:
        LoraError: a value is refused; it names the file.
    """
    family, own = FAMILIES[config["family"]], config["visionlora"]
    try:
        fields = dict(own["settings"]) if "settings" in own else family.from_peft_config(config)
        if family.settings_in_peft:
            fields["rank_pattern"] = config.get("rank_pattern") or {}
            fields["alpha_pattern"] = config.get("alpha_pattern") or {}
        return LoraConfig(family=config["family"], **fields)
    except (ValueError, TypeError) as error:
        raise LoraError(f"{path}: {error}") from error


def strengths(config: Mapping[str, Any]) -> Mapping[str, float]:
    """Strength by layer-name pattern, for families whose alpha can't hold it."""
    return dict(config["visionlora"].get("strength") or {})


@dataclass(frozen=True)
class AdapterInfo:
    """What the configuration of an adapter says besides its family and settings.

    Attributes:
        base_model: the name of the plain network; empty for none.
        modules_to_save: full names of modules that are saved whole (a new head).
        own: our own keys, as JSON.
        bias: which biases are saved: PEFT's word.
        obstacle: why PEFT would compute something else, as a clause, where it is not the family's.
    """

    base_model: str = ""
    modules_to_save: Sequence[str] = ()
    own: Mapping[str, Any] = field(default_factory=dict)
    bias: str = "none"
    obstacle: str | None = None


def config_to_peft(
    model: nn.Module, adapters: Mapping[str, Adapter], layers: Mapping[str, nn.Module], info: AdapterInfo
) -> dict[str, Any]:
    """The whole of PEFT's configuration.

    Args:
        model: the adapted network.
        adapters: by the full name of their weight; all of one family.
        layers: the module of each.
        info: the rest; the family's keys are added to our own.

    Raises:
        LoraError: an adapter has a strength that no file can hold.
    """
    own = dict(info.own)
    for site, adapter in adapters.items():
        if not adapter.strength > 0:
            raise LoraError(
                f"{site}: its adapter has the strength {adapter.strength:g}, and a file holds one above 0: "
                "save outside of scaled(), or activate only the other adapters."
            )
    return {
        **_family_to_peft(adapters, layers, Places(model), own, info.obstacle),
        "task_type": None,
        "base_model_name_or_path": info.base_model or None,
        "auto_mapping": {
            "base_model_class": type(model).__name__,
            "parent_library": type(model).__module__,
            "visionlora": own,
        },
        # A list would match by suffix in PEFT: conv1 would mean layer1.0.conv1 too.
        "target_modules": f"^({'|'.join(re.escape(site) for site in adapters)})$",
        "modules_to_save": list(info.modules_to_save) or None,
        "bias": info.bias,
        "inference_mode": True,
    }


def _family_to_peft(
    adapters: Mapping[str, Adapter],
    layers: Mapping[str, nn.Module],
    places: Places,
    own: dict[str, Any],
    obstacle: str | None,
) -> dict[str, Any]:
    """The family's part of PEFT's configuration.

    What PEFT can't hold goes into our own keys. Where PEFT would compute something else, `peft_type` is one
    that it refuses, and `own["not_for_peft"]` says why.
    """
    first = next(iter(adapters.values()), None)
    family = FAMILIES["lora"] if first is None else type(first)
    settings = AdapterSettings() if first is None else first.saved_settings
    own["family"] = settings.family
    saved = {site: one.saved_settings for site, one in adapters.items()}
    rank, rank_pattern = _common({site: one.rank for site, one in saved.items()}, settings.rank)
    in_alpha = family.strength_in == "alpha"
    alphas = {site: saved[site].alpha * (one.strength if in_alpha else 1.0) for site, one in adapters.items()}
    alpha, alpha_pattern = _common(alphas, settings.alpha)
    usual = replace(settings, rank=rank, alpha=alpha)
    config: dict[str, Any] = {"peft_type": family.peft_type or _foreign_type(family.family)}
    config |= family.to_peft_config(usual)
    if family.settings_in_peft:
        config |= {"rank_pattern": rank_pattern, "alpha_pattern": alpha_pattern}
    else:
        own["settings"] = {
            "rank": rank,
            "alpha": alpha,
            "rank_pattern": rank_pattern,
            "alpha_pattern": alpha_pattern,
            "rslora": settings.rslora,
            "dropout": settings.dropout,
            "options": dict(settings.options),
        }
    if family.strength_in == "own" and any(one.strength != 1 for one in adapters.values()):
        own["strength"] = {exactly(site): one.strength for site, one in adapters.items()}
    obstacles = (
        places.obstacle(site, layer, "PEFT") or adapter_obstacle(adapters[site], layer)
        for site, layer in layers.items()
    )
    obstacle = obstacle or next((found for found in obstacles if found is not None), None)
    differing = (("rank", rank_pattern), ("alpha", alpha_pattern))
    by_layer = [key for key, pattern in differing if pattern and key not in family.unused]
    if by_layer and not family.settings_in_peft:
        obstacle = obstacle or f"PEFT has one {by_layer[0]} for all layers of {family.family}"
    if obstacle is not None and family.peft_type is not None:
        own["not_for_peft"] = obstacle
        config["peft_type"] = _foreign_type(family.family)
    return config


def _common(values: Mapping[str, Any], default: Any) -> tuple[Any, dict[str, Any]]:
    """The most frequent value, and a pattern for each layer that has another."""
    usual = Counter(values.values()).most_common(1)[0][0] if values else default
    return usual, {exactly(name): value for name, value in values.items() if value != usual}
