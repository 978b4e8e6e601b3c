"""Weight files: read them, and fill a network with them. No pickle is ever executed."""

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

# GoogLeNet and Inception are built without their auxiliary classifiers, which only help training.
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
# torchvision's DenseNet weights were saved when module names could hold a point: "norm.1" is "norm1" now.
_DENSENET = re.compile(r"^(.*denselayer\d+\.(?:norm|conv))\.([12]\..*)$")


@dataclass
class WeightFile:
    """A state dict and the text that a safetensors file keeps beside it."""

    path: Path
    state: dict[str, Tensor]
    metadata: Mapping[str, str] = field(default_factory=dict)


def read_weights(path: str | Path) -> WeightFile:
    """Read a state dict from a ``.safetensors`` file, or, with ``weights_only``, a ``.pth`` or ``.pt`` file.

    Raises:
        VisionLoraError: no such file, another suffix, a broken file, or one that holds no plain state dict.
    """
    path = Path(path)
    if not path.is_file():
        raise VisionLoraError(f"weights: there is no file {path}{_nearby(path)}")
    if path.suffix not in SUFFIXES:
        raise VisionLoraError(
            f"weights: {path} ends in none of {', '.join(SUFFIXES)}; save model.state_dict() as one"
        )
    return _read_safetensors(path) if path.suffix == ".safetensors" else WeightFile(path, _read_torch(path))


def rename_keys(state: dict[str, Tensor], wanted: Mapping[str, Any]) -> dict[str, Tensor]:
    """The state dict under today's names, without the auxiliary classifiers that ``wanted`` has no place for.

    A version that PyTorch noted in the state dict is kept: batch norm and MNASNet read it.
    """
    renamed = {
        _DENSENET.sub(r"\1\2", key): tensor
        for key, tensor in state.items()
        if key in wanted or not key.startswith(_AUXILIARY)
    }
    return _with_versions(renamed, getattr(state, "_metadata", None))


def fill(network: nn.Module, state: dict[str, Tensor], source: str) -> None:
    """Give a network (on the meta device or not) the tensors of a state dict, in single precision.

    Raises:
        VisionLoraError: keys are missing, unexpected or misshapen; the first few of each are named.
    """
    wanted = network.state_dict()
    misshapen = [
        f"{key} is {_shape(tensor)}, wanted {_shape(wanted[key])}"
        for key, tensor in state.items()
        if key in wanted and tensor.shape != wanted[key].shape
    ]
    if misshapen:
        missing, unexpected = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    else:
        # MNASNet refuses a state dict without a version; files other than PyTorch's own have none.
        versions = getattr(state, "_metadata", None) or {"": {"version": network._version}}
        single = _with_versions({key: _single(tensor) for key, tensor in state.items()}, versions)
        missing, unexpected = network.load_state_dict(single, strict=False, assign=True)
    faults = [
        f"{len(keys)} {kind} ({', '.join(keys[:3])}{', …' if len(keys) > 3 else ''})"
        for kind, keys in (("missing", missing), ("unexpected", unexpected), ("misshapen", misshapen))
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
        raise VisionLoraError(f"weights: {path} is no whole safetensors file ({_line(error)})") from error


def _read_torch(path: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise VisionLoraError(
            f"weights: {path} is broken, or holds more than tensors, which is not read for safety's sake; "
            "save model.state_dict()"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise VisionLoraError(f"weights: {path} is no whole PyTorch file ({_line(error)})") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        keys = f" of {', '.join(map(str, list(state)[:4]))}" if isinstance(state, dict) else ""
        what = f"no plain state dict but a {type(state).__name__}{keys}"
        raise VisionLoraError(f"weights: {path} holds {what}; save model.state_dict() instead")
    return state


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


def _nearby(path: Path) -> str:
    if not path.parent.is_dir():
        return f" (nor a folder {path.parent})"
    names = [other.name for other in path.parent.iterdir() if other.suffix in SUFFIXES]
    close = get_close_matches(path.name, names, n=3, cutoff=0.5)
    return f"; close: {', '.join(close)}" if close else ""
