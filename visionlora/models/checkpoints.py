"""Checkpoints as training scripts write them: which part is the state dict, and what its keys mean."""

from __future__ import annotations

import argparse
import pathlib
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from torch import Tensor

from visionlora.errors import WeightFileError
from visionlora.files import read_json
from visionlora.text import brief

INDEX = ".safetensors.index.json"
"""How the file ends that lists the parts of weights in several safetensors files (Hugging Face's layout)."""
MOST_PARTS = 1000
MOST_KEYS = 2000
"""That are looked at to find what stands before all of them."""

AVERAGED = (
    "state_dict_ema", "model_ema_state_dict", "ema_state_dict", "model_ema", "ema_model", "ema",
)  # fmt: skip
"""Where scripts keep the moving average of the weights, which is what they validate with."""
WRAPPERS = (
    "state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights", "params",
)  # fmt: skip
"""Where they keep the weights beside the epoch and the optimizer's state."""
HARMLESS = (argparse.Namespace, pathlib.PosixPath, pathlib.WindowsPath, pathlib.PurePosixPath)
"""Plain data that training scripts save beside the weights (their arguments); making them runs no code."""
COUNTERS = ("n_averaged",)
"""Of ``torch.optim.swa_utils.AveragedModel``: no weights."""


def find_state_dict(content: Any) -> tuple[dict[str, Tensor] | None, str | None]:
    """The state dict in what a file holds, and which of several it is, in words; None: there is none.

    Where a file has the weights and their moving average, it is the average.
    """
    if not isinstance(content, dict):
        return None, None
    if _is_state_dict(content):
        return content, None
    found = {key: state for key in (*AVERAGED, *WRAPPERS) if (state := _inside(content.get(key))) is not None}
    if not found:
        return None, None
    first = next(iter(found))
    others = [key for key in found if key != first]
    notice = f"it holds {first} and {', '.join(others)}; {first} is used" if others else None
    return found[first], notice


def _inside(value: Any) -> dict[str, Tensor] | None:
    """A state dict, alone or in one more wrapper."""
    candidates = [value, *(value.get(key) for key in WRAPPERS)] if isinstance(value, dict) else []
    return next((one for one in candidates if isinstance(one, dict) and _is_state_dict(one)), None)


def _is_state_dict(value: Mapping[Any, Any]) -> bool:
    return bool(value) and all(isinstance(one, Tensor) for one in value.values())


def key_prefix(state: Mapping[str, Tensor], wanted: Mapping[str, Any]) -> str:
    """What stands before the network's own names in most keys: ``module.``, ``model.``, ``net.backbone.``.

    Args:
        state: as read from a file.
        wanted: the network's own state dict.

    Returns:
        The prefix, with its last dot; "" where most keys have none.
    """
    ends: dict[str, list[str]] = {}
    for name in wanted:
        ends.setdefault(name.rpartition(".")[2], []).append(name)
    counts: Counter[str] = Counter()
    for key in islice(state, MOST_KEYS):
        if key in wanted:
            counts[""] += 1
            continue
        fits = [name for name in ends.get(key.rpartition(".")[2], ()) if key.endswith(f".{name}")]
        counts.update(key[: -len(name)] for name in fits)
    return counts.most_common(1)[0][0] if counts else ""


def parts_of(index: Path) -> Iterator[Path]:
    """The files that an index of safetensors files lists, all in its own folder.

    Raises:
        WeightFileError: the index is broken, or lists what is no file beside it.
    """
    content = read_json(index)
    places = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(places, dict) or not all(isinstance(name, str) for name in places.values()):
        raise WeightFileError(f"{index} has no weight_map of file names; download it again")
    names = sorted(set(places.values()))
    if len(names) > MOST_PARTS:
        raise WeightFileError(f"{index} lists {len(names)} files; {MOST_PARTS} are the most")
    for name in names:
        if Path(name).name != name or "\\" in name or not name.endswith(".safetensors"):
            raise WeightFileError(f"{index} lists {brief(name)}; its parts are safetensors files beside it")
        if not (index.parent / name).is_file():
            raise WeightFileError(f"{index} lists {brief(name)}, which is not there; download it")
        yield index.parent / name
