"""`adapter_model.safetensors`, written and read. No pickle is ever read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from visionlora.adapters.base import Adapter
from visionlora.adapters.errors import LoraError
from visionlora.adapters.families import FAMILIES
from visionlora.adapters.io.config_file import CONFIG_FILE
from visionlora.adapters.sites import sites_of
from visionlora.files import replacing
from visionlora.text import brief

TENSOR_FILE = "adapter_model.safetensors"
PREFIX = "base_model.model."
MOST_LETTERS = 1000
"""In a tensor's name."""
_IN_EMBEDDINGS = {"lora_A.weight": "lora_embedding_A", "lora_B.weight": "lora_embedding_B"}
"""Names that PEFT has for A and B where the layer is an embedding; the shapes are the same."""
_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def peft_tensors(adapter: Adapter, layer: nn.Module) -> dict[str, Tensor]:
    """An adapter's tensors by the names that PEFT has for them on this layer.

    A's column for an embedding's padding, which a low-rank update leaves out here and PEFT adds, is zero.
    """
    tensors = adapter.to_peft()
    if not isinstance(layer, nn.Embedding):
        return tensors
    if "lora_A.weight" in tensors and adapter.low_rank() is not None:
        tensors["lora_A.weight"] = sites_of(layer)[0].without_fixed(tensors["lora_A.weight"])
    return {_IN_EMBEDDINGS.get(part, part): tensor for part, tensor in tensors.items()}


def write(directory: Path, tensors: Mapping[str, Tensor], config: Mapping[str, Any]) -> Path:
    """Write an adapter directory's tensors and configuration, both or neither; returns the directory.

    Raises:
        LoraError: the configuration is not JSON, or a tensor has values that are NaN or infinite.
        VisionLoraError: a file cannot be written.
    """
    from safetensors.torch import save_file

    try:
        text = json.dumps(config, indent=2, ensure_ascii=False)
    except TypeError as error:
        raise LoraError(
            f"extra can't be written as JSON ({error}): give strings, numbers, lists, mappings."
        ) from error
    plain = _storable(tensors, directory / TENSOR_FILE)
    # Neither takes the place of the old one before both are complete.
    with replacing(directory / TENSOR_FILE) as tensor_file:
        save_file(plain, tensor_file, metadata={"format": "pt"})
        with replacing(directory / CONFIG_FILE) as config_file:
            # A name that is not UTF-8 holds lone surrogates: JSON's own escapes, which are read back.
            config_file.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
    return directory


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors beside their place and rename the file into it.

    Raises:
        LoraError: a tensor has values that are NaN or infinite.
        VisionLoraError: the file cannot be written.
    """
    from safetensors.torch import save_file

    plain = _storable(tensors, path)
    with replacing(path) as beside:
        save_file(plain, beside, metadata={"format": "pt", **metadata})


def _storable(tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Contiguous copies on the CPU; what no reader takes does not replace a file that one does."""
    for name, tensor in tensors.items():
        if not _is_finite(tensor):
            raise LoraError(
                f"{brief(name)} has values that are NaN or infinite, so {path} is not written: the training "
                "diverged; train again with a lower learning rate."
            )
    return {key: tensor.detach().cpu().contiguous().clone() for key, tensor in tensors.items()}


def _is_finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor).all())


def read_tensors(directory: Path) -> dict[str, Tensor]:
    """The tensors of an adapter directory, checked.

    Raises:
        LoraError: the file is missing, damaged, or holds what no adapter holds.
    """
    path = directory / TENSOR_FILE
    if not path.is_file():
        pickled = directory / "adapter_model.bin"
        hint = "save the adapter again"
        if pickled.is_file():
            hint = f"{pickled.name} is a pickle, which could run any program: save it as safetensors"
        raise LoraError(f"{path} does not exist: {hint}.")
    return checked_tensors(read_safetensors(path), path)


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, sorted by name.

    Raises:
        LoraError: it is damaged or no such file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        # load_file refuses a path that is not UTF-8; like it, this sorts the names.
        return dict(sorted(load(path.read_bytes()).items()))
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise LoraError(
            f"{path} is damaged or not a safetensors file ({error}): copy or save it again."
        ) from error


def checked_tensors(tensors: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The same tensors.

    Raises:
        LoraError: a name of endless length, a type that no adapter has, or a value that is no number.
    """
    for name, tensor in tensors.items():
        if len(name) > MOST_LETTERS:
            raise LoraError(f"{path}: {brief(name)} is not the name of a tensor: save the adapter again.")
        counter = tensor.dtype == torch.int64 and not tensor.ndim  # a batch norm's, in a module saved whole
        if tensor.dtype not in _DTYPES and not counter:
            raise LoraError(f"{path}: {brief(name)} holds {tensor.dtype}: an adapter's numbers are floats.")
        if not _is_finite(tensor):
            raise LoraError(
                f"{path}: {brief(name)} has values that are NaN or infinite: its training diverged, or the "
                "file is damaged; train again with a lower learning rate, or copy it again."
            )
    return tensors


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
    parts = {part: part for part in sorted(FAMILIES[family].part_names(), key=len, reverse=True)}
    parts |= {named: part for part, named in _IN_EMBEDDINGS.items() if part in parts}
    found: dict[str, dict[str, Tensor]] = {}
    others: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        if not key.startswith(PREFIX):
            raise LoraError(f"{path}: {brief(key)} does not begin with {PREFIX}: save it in PEFT's format.")
        name = key.removeprefix(PREFIX)
        part = next((part for part in parts if name == part or name.endswith(f".{part}")), None)
        site = name[: -len(part or "")].rstrip(".")
        if part is None or parts[part] in found.get(site, {}):
            others[name] = tensor
        else:
            found.setdefault(site, {})[parts[part]] = tensor
    return found, others
