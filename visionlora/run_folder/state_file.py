"""A nested state of numbers, texts and tensors in one file: safetensors, with a checksum, and no pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from visionlora.errors import VisionLoraError
from visionlora.files import replacing, require_regular

_TENSOR, _DICT = "tensor", "dict"


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write a state completely, or leave the file that was there.

    Args:
        path: of the file.
        state: dicts with texts or whole numbers as keys, lists, numbers, texts, None and tensors.

    Raises:
        TypeError: something else is in it.
        VisionLoraError: the file cannot be written.
    """
    tensors: dict[str, Tensor] = {}
    text = json.dumps(_packed(state, "", tensors))
    digest = _digest(text, tensors)
    with replacing(path, durable=True) as beside:
        save_file(tensors, beside, {"state": text, "sha256": digest})


def read_state(path: Path) -> dict[str, Any]:
    """What :func:`write_state` wrote; lists stand for tuples.

    Raises:
        VisionLoraError: the file is damaged, or is something else.
    """
    try:
        require_regular(path)
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            text, digest = about["state"], about["sha256"]
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
        if _digest(text, tensors) != digest:
            raise VisionLoraError(f"{path} is damaged: its checksum does not fit")
        state = _unpacked(json.loads(text), tensors)
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, RecursionError) as error:
        raise VisionLoraError(f"{path} is damaged, or no checkpoint: {error}") from error
    if not isinstance(state, dict):
        raise VisionLoraError(f"{path} is not a checkpoint")
    return state


def _digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of everything that is read back."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _packed(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """The value as JSON has it; tensors are put aside under their paths. JSON's keys are texts, so dicts
    become lists of pairs."""
    if isinstance(value, Tensor):
        tensors[path] = value.detach().cpu().contiguous().clone()
        return {_TENSOR: path}
    if isinstance(value, Mapping):
        return {_DICT: [[key, _packed(one, f"{path}/{key}", tensors)] for key, one in value.items()]}
    if isinstance(value, (list, tuple)):
        return [_packed(one, f"{path}/{place}", tensors) for place, one in enumerate(value)]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"{path} of a checkpoint is a {type(value).__name__}")


def _unpacked(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_unpacked(one, tensors) for one in value]
    if not isinstance(value, dict):
        return value
    if _TENSOR in value:
        return tensors[value[_TENSOR]]
    return {key: _unpacked(one, tensors) for key, one in value[_DICT]}
