"""Weight files: read them, and load them into a network. No pickled code is ever run."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from visionlora.errors import WeightFileError
from visionlora.frozen.packed import PackedWeight
from visionlora.models.checkpoints import COUNTERS, HARMLESS, INDEX, find_state_dict, key_prefix, parts_of
from visionlora.models.quantised_file import unpacked
from visionlora.text import brief, listed

SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt", ".bin", ".tar")
"""Lightning writes .ckpt, transformers .bin, PyTorch's ImageNet example .pth.tar, all with `torch.save`."""
MOST_LETTERS = 1000
"""In a tensor's name."""

# GoogLeNet and Inception are built without their auxiliary classifiers, which only help in training.
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
# torch.compile puts this before every name of a part that was compiled.
_COMPILED = re.compile(r"\b_orig_mod\.")
# torchvision's DenseNet weights date from when module names could have a dot: "norm.1" is "norm1" now.
_DENSENET = re.compile(r"^(.*denselayer\d+\.(?:norm|conv))\.([12]\..*)$")


@dataclass
class WeightFile:
    """A state dict, the metadata of a safetensors file, and which of several state dicts it is, in words."""

    path: Path
    state: dict[str, Tensor]
    metadata: Mapping[str, str] = field(default_factory=dict)
    notice: str | None = None


def read_weights(path: str | Path) -> WeightFile:
    """Read a state dict from a ``.safetensors`` file, or, with ``weights_only``, a file of ``torch.save``.

    A training checkpoint works too: a dictionary with the state dict under a usual key (``WRAPPERS``). So do
    weights in several safetensors files: give their index, or the folder that it is in.

    Raises:
        WeightFileError: no such file, another suffix, a broken file, or one without a state dict.
    """
    path = Path(path)
    if path.is_dir():
        path = next(iter(sorted(path.glob(f"*{INDEX}"))), path)
    if path.is_file() and path.name.endswith(INDEX):
        return _read_parts(path)
    if path.is_dir():
        raise WeightFileError(f"{path} is a folder; give the file of weights")
    if not path.is_file():
        raise WeightFileError(f"there is no file {path}{_suggestions(path)}")
    if path.suffix.lower() not in SUFFIXES:
        raise WeightFileError(
            f"{path} ends in none of {', '.join(SUFFIXES)}; save model.state_dict() as one of these"
        )
    return _read_safetensors(path) if path.suffix.lower() == ".safetensors" else _read_torch(path)


def rename_keys(state: dict[str, Tensor], wanted: Mapping[str, Any]) -> dict[str, Tensor]:
    """The state dict under a network's current names.

    Removes what wrappers put before the names (DistributedDataParallel, ``torch.compile``, a Lightning
    module), renames old DenseNet keys, and drops a wrapper's counters and auxiliary classifiers that the
    network does not have. Keeps the module versions that PyTorch stores
    in a state dict: batch norm and MNASNet read them.

    Args:
        state: as read from a file.
        wanted: the network's own state dict.
    """
    plain = {key: key if key in wanted else _DENSENET.sub(r"\1\2", _COMPILED.sub("", key)) for key in state}
    prefix = key_prefix({name: state[key] for key, name in plain.items()}, wanted)
    renamed = {}
    for key, tensor in state.items():
        name = plain[key] if plain[key] in wanted else plain[key].removeprefix(prefix)
        if name in wanted or not name.startswith(_AUXILIARY + COUNTERS):
            renamed[name] = tensor
    versions = _versions(state)
    if versions is not None and renamed.keys() != state.keys():
        versions = {
            _COMPILED.sub("", f"{module}.").removeprefix(prefix)[:-1]: version
            for module, version in versions.items()
        }
    return _with_versions(renamed, versions)


def fill(network: nn.Module, state: dict[str, Tensor], source: str) -> None:
    """Load a state dict into a network (on the meta device or not), in single precision.

    Raises:
        WeightFileError: keys are missing, unexpected or of the wrong shape; the message names the first few.
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
        versions = _versions(state) or {"": {"version": network._version}}
        # Only what is wanted: a file may hold any number of views of one tensor.
        single = _with_versions(
            {key: _single(state[key], wanted[key], key, source) for key in state if key in wanted}, versions
        )
        missing, _ = network.load_state_dict(single, strict=False, assign=True)
        unexpected = [key for key in state if key not in wanted]
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
        if any(".lora_A." in key for key in unexpected):
            raise WeightFileError(f"{source} holds an adapter, not a network's weights")
        raise WeightFileError(f"{source} does not fit {type(network).__name__}; keys: {', '.join(faults)}")


def _read_safetensors(path: Path) -> WeightFile:
    try:
        with safe_open(path, framework="pt") as file:
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise WeightFileError(f"{path} is not a complete safetensors file ({_line(error)})") from error
    for key, tensor in state.items():
        _refuse_unusual(path, key, tensor)
    return WeightFile(path, unpacked(path, state, metadata), metadata)


def _read_parts(index: Path) -> WeightFile:
    """Weights in several safetensors files."""
    state: dict[str, Tensor] = {}
    metadata: dict[str, str] = {}
    for part in parts_of(index):
        read = _read_safetensors(part)
        twice = sorted(state.keys() & read.state.keys())
        if twice:
            raise WeightFileError(f"{listed(twice[:3])} is in several parts of {index}")
        state |= read.state
        metadata |= read.metadata
    return WeightFile(index, state, metadata)


def _read_torch(path: Path) -> WeightFile:
    _refuse_packed(path)
    try:
        with torch.serialization.safe_globals(list(HARMLESS)):
            state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightFileError(
            f"{path} is damaged, or holds more than tensors, which could run code; "
            "save model.state_dict() instead"
        ) from error
    except Exception as error:  # PyTorch's reader raises any error, as parsers in Python do
        raise _incomplete(path, error) from error
    found, notice = find_state_dict(state)
    if found is not None:
        for key, tensor in found.items():
            _refuse_unusual(path, key, tensor)
        return WeightFile(path, found, notice=None if notice is None else f"{path}: {notice}")
    first = list(state)[:4] if isinstance(state, dict) else []
    some = [key if isinstance(key, str) else brief(key) for key in first]
    keys = f" with the keys {listed(some)}" if some else ""
    raise WeightFileError(
        f"{path} holds a {type(state).__name__}{keys}, not a state dict; save model.state_dict() instead"
    )


def _incomplete(path: Path, error: Exception) -> WeightFileError:
    return WeightFileError(f"{path} is not a complete PyTorch file ({_line(error)})")


def _refuse_packed(path: Path) -> None:
    """Refuse a file that takes much more memory than it has bytes. PyTorch itself compresses nothing."""
    try:
        if not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
            script = any(name.endswith("/constants.pkl") for name in archive.namelist())
    except Exception as error:  # of a damaged file; what zipfile raises depends on where
        raise _incomplete(path, error) from error
    if script:
        raise WeightFileError(f"{path} is TorchScript, which is code; save model.state_dict() instead")
    if unpacked > path.stat().st_size:
        raise WeightFileError(
            f"{path} unpacks to {unpacked >> 20} MiB, which PyTorch's own files never do; save "
            "model.state_dict() again"
        )


def _refuse_unusual(path: Path, key: object, tensor: Tensor) -> None:
    if not isinstance(key, str) or len(key) > MOST_LETTERS:
        raise WeightFileError(
            f"{path} names a tensor {brief(key)}; names are texts, as in model.state_dict()"
        )
    dense = tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized
    if not dense or tensor.is_complex():
        kind = "quantised" if tensor.is_quantized else f"{tensor.layout} {tensor.dtype} on {tensor.device}"
        raise WeightFileError(
            f"{brief(key)} in {path} is {kind}; save a state dict of dense tensors of real numbers"
        )
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise WeightFileError(
            f"{brief(key)} in {path} claims {_shape(tensor)} numbers and has fewer; save "
            "model.state_dict() again"
        )


def _versions(state: Mapping[str, Tensor]) -> dict[str, dict[str, int]] | None:
    """The modules' versions that PyTorch keeps in a state dict; None where it has none."""
    versions = getattr(state, "_metadata", None)
    if not isinstance(versions, dict):
        return None
    return {
        name: about
        for name, about in versions.items()
        if isinstance(name, str) and isinstance(about, dict) and isinstance(about.get("version", 1), int)
    }


def _with_versions(state: Mapping[str, Tensor], versions: Any) -> OrderedDict[str, Tensor]:
    result = OrderedDict(state)
    if versions is not None:
        result._metadata = versions  # type: ignore[attr-defined]
    return result


def _single(tensor: Tensor, wanted: Tensor, key: str, source: str) -> Tensor:
    """The tensor as a network has it: floats in single precision.

    Raises:
        WeightFileError: it is of another kind than the network's, or holds NaN or infinity.
    """
    if wanted.is_floating_point() and not tensor.is_floating_point():
        raise WeightFileError(
            f"{key} in {source} holds {tensor.dtype}, where the network has {wanted.dtype}; save "
            "model.state_dict() again"
        )
    if not tensor.is_floating_point():
        return tensor.contiguous()
    if isinstance(tensor, PackedWeight):  # its parts were checked when it was read
        return tensor
    single = tensor.float().contiguous()
    if not bool(torch.isfinite(single).all()):
        raise WeightFileError(
            f"{key} in {source} has values that are NaN or infinite; its training diverged, or the "
            "file is damaged: use another checkpoint"
        )
    return single


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a scalar"


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]


def _suggestions(path: Path) -> str:
    if not path.parent.is_dir():
        return f" (nor a folder {path.parent})"
    names = [other.name for other in path.parent.iterdir() if other.suffix.lower() in SUFFIXES]
    close = get_close_matches(path.name, names, n=3, cutoff=0.5)
    return f"; close: {', '.join(close)}" if close else ""
