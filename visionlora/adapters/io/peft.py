"""The adapter directory: PEFT's format, `adapter_config.json` and `adapter_model.safetensors`.

`peft.PeftModel.from_pretrained` reads it on the same plain network, and adapters that PEFT saved load here.
PEFT has no place for keys of others at the top of its file (it warns about them, old versions refuse them),
but it keeps a free mapping, `auto_mapping`: our own keys live in `auto_mapping.visionlora`.

Where PEFT computes something else:

- A grouped convolution's adapter has other shapes in PEFT (there A sees all groups, which can't be merged):
  each library refuses the other's.
- PEFT ignores a convolution's dilation and padding mode, so its adapters for such layers are refused here.
- PEFT ignores, without a word, an adapter on a layer that the network reads and never calls: `out_proj` of
  `nn.MultiheadAttention` (torchvision's ViT), `qkv` and `proj` of torchvision's Swin. For PEFT, exclude those
  layers from the targets, or merge.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from visionlora.adapters.attach import LayerPlan, adapted_layers, attach_layers
from visionlora.adapters.config import LoraConfig, LoraError, exactly
from visionlora.adapters.io.check import mismatches
from visionlora.adapters.io.fingerprint import fingerprint as base_fingerprint

CONFIG_FILE = "adapter_config.json"
TENSOR_FILE = "adapter_model.safetensors"
_PREFIX = "base_model.model."
_Network = TypeVar("_Network", bound=nn.Module)

# Each of these changes what the tensors mean, or which there are.
_OTHER_METHODS = (
    "use_dora", "use_qalora", "lora_bias", "fan_in_fan_out", "alora_invocation_tokens", "layer_replication",
    "target_parameters", "trainable_token_indices", "velora_config", "monteclora_config", "use_bdlora",
    "arrow_config", "kasa_config",
)  # fmt: skip
# The others (pissa, olora, corda, loftq, ...) change the base weights too.
_PLAIN_STARTS = (None, True, False, "gaussian", "orthogonal", "eva")


def save_adapter(
    model: nn.Module,
    directory: str | Path,
    *,
    base_model: str = "",
    fingerprint: str | None = None,
    modules_to_save: Sequence[str] = (),
    extra: Mapping[str, Any] | None = None,
) -> Path:
    """Writes the adapters of a network, each file beside its place and then renamed into it.

    Args:
        model: an adapted network.
        directory: made where it is missing.
        base_model: the name of the plain network, for readers.
        fingerprint: what `fingerprint(model, exclude=modules_to_save)` gives, where it is known already.
        modules_to_save: full names of modules that were trained whole (a new head) and are saved whole.
        extra: further keys of our own, as JSON; `read_adapter_config(directory)["visionlora"]` has them.

    Returns:
        The directory.

    Raises:
        LoraError: no adapters, a module that does not exist or is adapted too, or `extra` that is not JSON.
    """
    layers = adapted_layers(model)
    if not layers:
        raise LoraError(f"The {type(model).__name__} has no adapters to save: attach some first.")
    tensors = {
        f"{_PREFIX}{_key(name, part)}.weight": getattr(layer, part)
        for name, layer in layers.items()
        for part in ("lora_A", "lora_B")
    }
    for name in modules_to_save:
        tensors |= _module_tensors(model, name, layers)
    ranks = {name: layer.lora_rank for name, layer in layers.items()}
    alphas = {name: layer.lora_alpha for name, layer in layers.items()}
    first = next(iter(layers.values()))
    rank, rank_pattern = _common(ranks)
    alpha, alpha_pattern = _common(alphas)
    own = {**(extra or {}), "fingerprint": fingerprint or base_fingerprint(model, modules_to_save)}
    config = {
        "peft_type": "LORA",
        "task_type": None,
        "base_model_name_or_path": base_model or None,
        "auto_mapping": {
            "base_model_class": type(model).__name__,
            "parent_library": type(model).__module__,
            "visionlora": own,
        },
        "r": rank,
        "lora_alpha": alpha,
        "rank_pattern": rank_pattern,
        "alpha_pattern": alpha_pattern,
        "use_rslora": first.lora_rslora,
        "lora_dropout": first.lora_dropout,
        # A list would match by suffix in PEFT: conv1 would mean layer1.0.conv1 too.
        "target_modules": f"^({'|'.join(re.escape(name) for name in layers)})$",
        "modules_to_save": list(modules_to_save) or None,
        "bias": "none",
        "fan_in_fan_out": False,
        "init_lora_weights": True,
        "inference_mode": True,
    }
    return _write(Path(directory), tensors, config)


def read_adapter_config(directory: str | Path) -> dict[str, Any]:
    """`adapter_config.json`, checked; our own keys under "visionlora", which is {} where PEFT saved the
    adapter.

    Raises:
        LoraError: no such file, not JSON, or not a plain LoRA adapter.
    """
    path = Path(directory) / CONFIG_FILE
    if not path.is_file():
        raise LoraError(f"{path} does not exist: give an adapter directory, which holds {CONFIG_FILE}.")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise LoraError(f"{path} is not JSON ({error}): save the adapter again.") from error
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise LoraError(f"{path}: peft_type is not LORA: only LoRA adapters can be loaded.")
    others = [key for key in _OTHER_METHODS if config.get(key)]
    others += ["bias"] if config.get("bias", "none") != "none" else []
    others += ["init_lora_weights"] if config.get("init_lora_weights") not in _PLAIN_STARTS else []
    if others:
        raise LoraError(
            f"{path} uses {', '.join(others)}: only plain LoRA can be loaded; convert it in PEFT."
        )
    _lora_config(config, path)
    config["modules_to_save"] = list(config.get("modules_to_save") or [])
    config["visionlora"] = (config.get("auto_mapping") or {}).get("visionlora") or {}
    return config


def load_adapter(model: _Network, directory: str | Path, *, check_fingerprint: bool = True) -> _Network:
    """Loads an adapter directory, from here or from PEFT, into a plain or an adapted network, in place.

    A plain network gets its adapters as `attach` would put them on; an adapted one must have them at the
    same layers with the same ranks, and takes over the file's alpha. Nothing is changed unless everything
    fits. No pickle is read.

    Args:
        model: the network that the adapter was made for; a trained head must be in place with the same shape.
        directory: holds adapter_config.json and adapter_model.safetensors.
        check_fingerprint: whether the base tensors must be exactly those that the adapter was trained on.

    Returns:
        `model` itself.

    Raises:
        LoraError: a file is missing or broken, or the adapter does not fit; every mismatch is named.
    """
    directory = Path(directory)
    config = read_adapter_config(directory)
    settings = _lora_config(config, directory / CONFIG_FILE)
    pairs, others = _sorted_tensors(_read_tensors(directory), directory)
    wrong = mismatches(model, pairs, others, settings, config)
    expected = config["visionlora"].get("fingerprint")
    check_base = check_fingerprint and expected and not wrong
    if check_base and base_fingerprint(model, config["modules_to_save"]) != expected:
        wrong = ["its base tensors were others (check_fingerprint=False loads it anyway)"]
    if wrong:
        raise LoraError(
            f"{directory} does not fit this {type(model).__name__}: {'; '.join(wrong)}. "
            f"Load the network that it was trained on (base model: {config.get('base_model_name_or_path')})."
        )
    if not adapted_layers(model):
        plans = {
            name: LayerPlan(
                parts["lora_A"].shape[0], settings.alpha_of(name), settings.rslora, settings.dropout
            )
            for name, parts in pairs.items()
        }
        attach_layers(model, plans, torch.Generator())
    _copy(model, pairs, others, settings)
    return model


def _copy(
    model: nn.Module,
    pairs: Mapping[str, Mapping[str, Tensor]],
    others: Mapping[str, Tensor],
    settings: LoraConfig,
) -> None:
    state = model.state_dict()
    with torch.no_grad():
        for name, layer in adapted_layers(model).items():
            layer.lora_alpha, layer.lora_rslora = settings.alpha_of(name), settings.rslora
            layer.lora_A.copy_(pairs[name]["lora_A"])
            layer.lora_B.copy_(pairs[name]["lora_B"])
        for key, tensor in others.items():
            state[key].copy_(tensor)


def _key(name: str, part: str) -> str:
    return f"{name}.{part}" if name else part


def _common(values: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The most frequent value, and a pattern for each layer that has another."""
    usual = Counter(values.values()).most_common(1)[0][0]
    return usual, {exactly(name): value for name, value in values.items() if value != usual}


def _module_tensors(model: nn.Module, name: str, layers: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    modules = dict(model.named_modules())
    if name not in modules:
        raise LoraError(f"modules_to_save: there is no module {name!r} in the {type(model).__name__}.")
    if any(layer == name or layer.startswith(f"{name}.") for layer in layers):
        raise LoraError(f"modules_to_save: {name} is adapted too: exclude it from the targets.")
    return {f"{_PREFIX}{name}.{key}": tensor for key, tensor in modules[name].state_dict().items()}


def _write(directory: Path, tensors: Mapping[str, Tensor], config: Mapping[str, Any]) -> Path:
    from safetensors.torch import save_file

    try:
        text = json.dumps(config, indent=2, ensure_ascii=False)
    except TypeError as error:
        raise LoraError(
            f"extra can't be written as JSON ({error}): give strings, numbers, lists, mappings."
        ) from error
    plain = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in tensors.items()}
    directory.mkdir(parents=True, exist_ok=True)
    beside = directory / f".{os.getpid()}.tmp"
    try:
        save_file(plain, beside, metadata={"format": "pt"})
        beside.replace(directory / TENSOR_FILE)
        beside.write_text(text + "\n", encoding="utf-8")
        beside.replace(directory / CONFIG_FILE)
    finally:
        beside.unlink(missing_ok=True)
    return directory


def _read_tensors(directory: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = directory / TENSOR_FILE
    if not path.is_file():
        pickled = directory / "adapter_model.bin"
        hint = "save the adapter again"
        if pickled.is_file():
            hint = f"{pickled.name} is a pickle, which could run any program: save it as safetensors"
        raise LoraError(f"{path} does not exist: {hint}.")
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise LoraError(
            f"{path} is damaged or not a safetensors file ({error}): copy or save it again."
        ) from error


def _sorted_tensors(
    tensors: Mapping[str, Tensor], directory: Path
) -> tuple[dict[str, dict[str, Tensor]], dict[str, Tensor]]:
    """A and B by layer name, and the other tensors (modules saved whole) by their name in the network."""
    pairs: dict[str, dict[str, Tensor]] = {}
    others: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        if not key.startswith(_PREFIX):
            raise LoraError(
                f"{directory / TENSOR_FILE}: {key!r} does not begin with {_PREFIX}: save it in PEFT's format."
            )
        name = key.removeprefix(_PREFIX)
        adapter = re.fullmatch(r"(?:(.*)\.)?(lora_[AB])\.weight", name)
        if adapter:
            pairs.setdefault(adapter[1] or "", {})[adapter[2]] = tensor
        else:
            others[name] = tensor
    return pairs, others


def _lora_config(config: Mapping[str, Any], path: Path) -> LoraConfig:
    try:
        return LoraConfig(
            rank=config.get("r", 8),
            alpha=config.get("lora_alpha", 8),
            dropout=config.get("lora_dropout", 0.0),
            rank_pattern=config.get("rank_pattern") or {},
            alpha_pattern=config.get("alpha_pattern") or {},
            rslora=config.get("use_rslora", False),
        )
    except LoraError as error:
        raise LoraError(f"{path}: {error}") from error
