"""Weight files: read them, and load them into a network. No pickled code is ever run."""

from __future__ import annotations

import pickle
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from visionlora.errors import VisionLoraError

SUFFIXES = (".safetensors", ".pth", ".pt")

# GoogLeNet and Inception are built without their auxiliary classifiers, which only help in training.
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
# Training scripts save a state dict beside the epoch and the optimizer's state, under one of these keys.
_WRAPPERS = ("state_dict", "model_state_dict", "model")
# DistributedDataParallel and torch.compile put these before every name.
_PREFIXES = re.compile(r"^(?:module\.|_orig_mod\.)+")
# torchvision's DenseNet weights date from when module names could have a dot: "norm.1" is "norm1" now.
_DENSENET = re.compile(r"^(.*denselayer\d+\.(?:norm|conv))\.([12]\..*)$")


@dataclass
class WeightFile:
    """A state dict, and the metadata of a safetensors file."""

    path: Path
    state: dict[str, Tensor]
    metadata: Mapping[str, str] = field(default_factory=dict)


def read_weights(path: str | Path) -> WeightFile:
    """Read a state dict from a ``.safetensors`` file, or, with ``weights_only``, a ``.pth`` or ``.pt`` file.

    A training checkpoint works too: a dictionary that has the state dict under ``state_dict``,
    ``model_state_dict`` or ``model``.

    Raises:
        VisionLoraError: no such file, another suffix, a broken file, or one without a state dict.
    """
    path = Path(path)
    if not path.is_file():
        raise VisionLoraError(f"weights: there is no file {path}{_suggestions(path)}")
    if path.suffix not in SUFFIXES:
        raise VisionLoraError(
            f"weights: {path} ends in none of {', '.join(SUFFIXES)}; save model.state_dict() as one of these"
        )
    return _read_safetensors(path) if path.suffix == ".safetensors" else WeightFile(path, _read_torch(path))


def rename_keys(state: dict[str, Tensor], wanted: Mapping[str, Any]) -> dict[str, Tensor]:
    """The state dict under a network's current names.

    Removes the prefixes of DistributedDataParallel and ``torch.compile``, renames old DenseNet keys, and
    drops auxiliary classifiers that the network does not have. Keeps the module versions that PyTorch stores
    in a state dict: batch norm and MNASNet read them.

    Args:
        state: as read from a file.
        wanted: the network's own state dict.
    """
    renamed = {}
    for key, tensor in state.items():
        name = key if key in wanted else _DENSENET.sub(r"\1\2", _PREFIXES.sub("", key))
        if name in wanted or not name.startswith(_AUXILIARY):
            renamed[name] = tensor
    versions = getattr(state, "_metadata", None)
    if versions is not None and renamed.keys() != state.keys():
        versions = {_PREFIXES.sub("", f"{module}.")[:-1]: version for module, version in versions.items()}
    return _with_versions(renamed, versions)


def fill(network: nn.Module, state: dict[str, Tensor], source: str) -> None:
    """Load a state dict into a network (on the meta device or not), in single precision.

    Raises:
        VisionLoraError: keys are missing, unexpected or of the wrong shape; the message names the first few.
    """
    wanted = network.state_dict()
    wrong_shape = [
        f"{key} is {_shape(tensor)}, expected {_shape(wanted[key])}"
        for key, tensor in state.items()
        if key in wanted and tensor.shape != wanted[key].shape
    ]
    if wrong_shape:
        missing, unexpected = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    else:
        # MNASNet refuses a state dict without a version; files other than PyTorch's own have none.
        versions = getattr(state, "_metadata", None) or {"": {"version": network._version}}
        single = _with_versions({key: _single(tensor) for key, tensor in state.items()}, versions)
        missing, unexpected = network.load_state_dict(single, strict=False, assign=True)
    faults = [
        f"{len(keys)} {kind} ({', '.join(keys[:3])}{', …' if len(keys) > 3 else ''})"
        for kind, keys in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("of the wrong shape", wrong_shape),
        )
        if keys
    ]
    if faults:
        raise VisionLoraError(
            f"weights: {source} does not fit {type(network).__name__}; keys: {', '.join(faults)}"
        )


def _read_safetensors(path: Path) -> WeightFile:
    try:
        with safe_open(path, framework="pt") as file:
            return WeightFile(path, {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {})  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise VisionLoraError(
            f"weights: {path} is not a complete safetensors file ({_line(error)})"
        ) from error


def _read_torch(path: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise VisionLoraError(
            f"weights: {path} is damaged, or holds more than tensors, which could run code; "
            "save model.state_dict() instead"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise VisionLoraError(f"weights: {path} is not a complete PyTorch file ({_line(error)})") from error
    candidates = [state, *(state.get(key) for key in _WRAPPERS)] if isinstance(state, dict) else []
    for candidate in candidates:
        if isinstance(candidate, dict) and all(isinstance(value, Tensor) for value in candidate.values()):
            return candidate
    keys = f" with the keys {', '.join(map(str, list(state)[:4]))}" if isinstance(state, dict) else ""
    raise VisionLoraError(
        f"weights: {path} holds a {type(state).__name__}{keys}, not a state dict; save model.state_dict() "
        "instead"
    )


def _with_versions(state: Mapping[str, Tensor], versions: Any) -> OrderedDict[str, Tensor]:
    result = OrderedDict(state)
    if versions is not None:
        result._metadata = versions  # type: ignore[attr-defined]
    return result


def _single(tensor: Tensor) -> Tensor:
    return (tensor.float() if tensor.is_floating_point() else tensor).contiguous()


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a scalar"


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]


def _suggestions(path: Path) -> str:
    if not path.parent.is_dir():
        return f" (nor a folder {path.parent})"
    names = [other.name for other in path.parent.iterdir() if other.suffix in SUFFIXES]
    close = get_close_matches(path.name, names, n=3, cutoff=0.5)
    return f"; close: {', '.join(close)}" if close else ""
