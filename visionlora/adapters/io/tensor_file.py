"""`adapter_model.safetensors`, written and read. No pickle is ever read."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from visionlora.adapters.errors import LoraError
from visionlora.adapters.families import FAMILIES
from visionlora.adapters.io.peft_config import CONFIG_FILE

TENSOR_FILE = "adapter_model.safetensors"
PREFIX = "base_model.model."


def write(directory: Path, tensors: Mapping[str, Tensor], config: Mapping[str, Any]) -> Path:
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
        # A name that is not UTF-8 holds lone surrogates, which become JSON's own escapes and are read back.
        beside.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
        beside.replace(directory / CONFIG_FILE)
    finally:
        beside.unlink(missing_ok=True)
    return directory


def read_tensors(directory: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    path = directory / TENSOR_FILE
    if not path.is_file():
        pickled = directory / "adapter_model.bin"
        hint = "save the adapter again"
        if pickled.is_file():
            hint = f"{pickled.name} is a pickle, which could run any program: save it as safetensors"
        raise LoraError(f"{path} does not exist: {hint}.")
    try:
        # load_file refuses a path that is not UTF-8; like it, this sorts the names.
        return dict(sorted(load(path.read_bytes()).items()))
    except (SafetensorError, OSError) as error:
        raise LoraError(
            f"{path} is damaged or not a safetensors file ({error}): copy or save it again."
        ) from error


def sort_tensors(
    tensors: Mapping[str, Tensor], path: Path, family: str
) -> tuple[dict[str, dict[str, Tensor]], dict[str, Tensor]]:
    """The adapter's tensors by the weight's full name, and those of modules saved whole by their own.

    Args:
        tensors: as the file has them.
        path: of the file, for messages.
        family: which names belong to an adapter.

    Raises:
        LoraError: a name without PEFT's prefix.
    """
    parts = sorted(FAMILIES[family].part_names(), key=len, reverse=True)
    found: dict[str, dict[str, Tensor]] = {}
    others: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        if not key.startswith(PREFIX):
            raise LoraError(f"{path}: {key!r} does not begin with {PREFIX}: save it in PEFT's format.")
        name = key.removeprefix(PREFIX)
        part = next((part for part in parts if name == part or name.endswith(f".{part}")), None)
        if part is None:
            others[name] = tensor
        else:
            found.setdefault(name[: -len(part)].rstrip("."), {})[part] = tensor
    return found, others
