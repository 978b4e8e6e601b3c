"""A safetensors file of quantised weights: read without the dense ones ever being there.

Every quantised weight is several tensors, named after it (`features.0.weight.codes`, ...: the parts of
`frozen.packed.PackedWeight`). The metadata key ``quantised`` holds JSON: by the weight's name its scheme and
shape.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from visionlora.errors import WeightFileError
from visionlora.files import replacing
from visionlora.frozen.nf4 import BLOCK, PYTORCH, SCALE_BLOCK
from visionlora.frozen.packed import SCHEMES, PackedWeight
from visionlora.models.quantise import best_codec
from visionlora.text import brief

KEY = "quantised"
MOST_BYTES = 4 * 2**20
"""Of the metadata: that of 10,000 layers has one."""
_Shapes = dict[str, tuple[torch.dtype, tuple[int, ...]]]


def write_quantised(path: Path, network: nn.Module, metadata: Mapping[str, str]) -> None:
    """Write a network's weights, those that are quantised as they are stored.

    Args:
        path: ends in .safetensors.
        network: plain.
        metadata: further entries of the file.
    """
    tensors: dict[str, Tensor] = {}
    about: dict[str, Any] = {}
    for name, tensor in network.state_dict().items():
        if isinstance(tensor, PackedWeight):
            about[name] = {"scheme": tensor.scheme, "shape": list(tensor.shape)}
            tensors |= {f"{name}.{part}": one for part, one in tensor.parts.items()}
        else:
            tensors[name] = tensor
    with replacing(path) as beside:
        plain = {name: one.detach().cpu().contiguous().clone() for name, one in tensors.items()}
        save_file(plain, beside, {**metadata, KEY: json.dumps(about)})


def unpacked(path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, str]) -> dict[str, Tensor]:
    """A file's tensors, with the parts of each quantised weight as one `PackedWeight`.

    Raises:
        WeightFileError: the metadata is unreadable, or a part is missing, of another shape or not finite.
    """
    if KEY not in metadata:
        return dict(state)
    left, weights = dict(state), dict[str, Tensor]()
    codec = best_codec()
    for name, about in _entries(path, metadata[KEY]).items():
        scheme, shape = about["scheme"], tuple(about["shape"])
        found = {
            key.removeprefix(f"{name}."): left.pop(key) for key in list(left) if key.startswith(f"{name}.")
        }
        fault = _fault(scheme, shape, found)
        if fault is not None:
            raise WeightFileError(
                f"the quantised {brief(name)} in {path} {fault}; quantise the weights again"
            )
        if name in left:
            raise WeightFileError(f"{path} holds {brief(name)} twice; quantise the weights again")
        weights[name] = PackedWeight(scheme, shape, found, codec if scheme == "nf4" else PYTORCH)
    return {**left, **weights}


def _entries(path: Path, text: str) -> dict[str, dict[str, Any]]:
    try:
        if len(text) > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES >> 20} MiB")
        entries = json.loads(text)
        if not isinstance(entries, dict) or not all(map(_is_entry, entries.values())):
            raise ValueError("not a scheme and a shape for each weight")
    except (ValueError, RecursionError) as error:
        raise WeightFileError(
            f"the metadata of {path} has an unreadable '{KEY}': {brief(str(error))}; quantise the "
            "weights again"
        ) from error
    return entries


def _is_entry(value: object) -> bool:
    if not isinstance(value, dict) or value.get("scheme") not in SCHEMES:
        return False
    shape = value.get("shape")
    numbers = isinstance(shape, list) and all(type(one) is int and 0 < one < 2**31 for one in shape)
    return numbers and 2 <= len(shape) <= 5  # type: ignore[arg-type]


def _fault(scheme: str, shape: tuple[int, ...], parts: Mapping[str, Tensor]) -> str | None:
    """What is wrong with the parts of a weight, as a clause; None where nothing is."""
    wanted = _nf4_parts(shape) if scheme == "nf4" else _int8_parts(shape, parts.get("scales"))
    wanted |= _further_parts(shape, parts)
    for name in (*wanted, *parts):
        if name not in parts:
            return f"lacks {name}"
        if name not in wanted:
            return f"has a part {brief(name)}, which is not one of {scheme}"
        part, (dtype, size) = parts[name], wanted[name]
        if part.dtype != dtype or tuple(part.shape) != size:
            return f"has {name} of {part.dtype} and {tuple(part.shape)}, where {dtype} and {size} are wanted"
        if part.is_floating_point() and not bool(torch.isfinite(part).all()):
            return f"has {name} with values that are NaN or infinite"
    return None


def _nf4_parts(shape: tuple[int, ...]) -> _Shapes:
    count = prod(shape)
    blocks = -(-count // BLOCK)
    return {
        "codes": (torch.uint8, (-(-count // 2),)),
        "scale_codes": (torch.uint8, (blocks,)),
        "scale_scales": (torch.float32, (-(-blocks // SCALE_BLOCK),)),
        "scale_offset": (torch.float32, ()),
    }


def _int8_parts(shape: tuple[int, ...], scales: Tensor | None) -> _Shapes:
    ones = (1,) * (len(shape) - 2)
    size: tuple[int, ...] = (shape[0], 1, *ones)
    if scales is not None and scales.ndim == len(shape) + 1:  # of a transposed convolution
        groups = scales.shape[0] if scales.shape[0] and shape[0] % scales.shape[0] == 0 else 1
        size = (groups, 1, shape[1], *ones)
    return {"codes": (torch.int8, shape), "scales": (torch.float32, size)}


def _further_parts(shape: tuple[int, ...], parts: Mapping[str, Tensor]) -> _Shapes:
    wanted: _Shapes = {}
    if "rows" in parts:
        wanted["rows"] = (torch.float32, shape[:1])
    if "added_A" in parts or "added_B" in parts:
        A = parts.get("added_A")
        rank = A.shape[0] if A is not None and A.ndim else 1
        wanted["added_A"] = (torch.float16, (rank, *shape[1:]))
        wanted["added_B"] = (torch.float16, (shape[0], rank))
    return wanted
