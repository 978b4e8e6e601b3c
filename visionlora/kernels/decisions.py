"""Decisions of `autotune` as plain data, and the cache file that keeps them between processes."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from functools import cache
from pathlib import Path
from typing import Any, TypedDict

import torch

from visionlora.device import processor
from visionlora.paths import cache_directory

_warned: set[str] = set()

VERSION = 11  # of the implementations: raise it when one of them gets faster or slower


class Decision(TypedDict):
    """The implementation to use and each candidate's time in seconds; no times where nothing was timed."""

    implementation: str
    seconds: dict[str, float]


Decisions = dict[str, Decision]
"""Decisions by what they are for, as they are written into JSON files."""


def parse(data: Any) -> Decisions:
    """Decisions from what a JSON file holds.

    Raises:
        ValueError: something else; the message names the entry.
    """
    if not isinstance(data, dict):
        raise ValueError("not an object with a decision for each key")
    decisions: Decisions = {}
    for key, entry in data.items():
        try:
            seconds = {str(name): float(value) for name, value in entry["seconds"].items()}
            decisions[key] = {"implementation": str(entry["implementation"]), "seconds": seconds}
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
            raise ValueError(f"{key!r} is not a decision: {error!r}") from None
    return decisions


@cache
def cache_file(device: str) -> Path | None:
    """The file with the decisions for this kind of device; None: nothing is kept."""
    directory = cache_directory()
    if directory is None:
        return None
    if device in ("cuda", "xpu"):
        machine = torch.get_device_module(device).get_device_name()
    else:  # the environment may limit the instruction sets
        limits = (os.environ.get(name, "") for name in ("ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS"))
        machine = " ".join([*processor(), torch.backends.cpu.get_cpu_capability(), *limits])
    made_by = f"{device}, {machine}, torch {torch.__version__}, kernels {VERSION}"
    return directory / f"kernels-{hashlib.sha256(made_by.encode()).hexdigest()[:12]}.json"


def read(file: Path) -> Decisions:
    """The decisions in a cache file; a damaged file is reported and counts as empty."""
    if not file.exists():
        return {}
    try:
        return parse(json.loads(file.read_text()))
    except (OSError, ValueError, RecursionError) as error:
        warnings.warn(f"{file} is damaged and is not used; it will be replaced: {error}", stacklevel=2)
        return {}


def write(file: Path, key: str, decision: Decision) -> None:
    """Adds a decision to a cache file; a directory that cannot be written is reported once."""
    # Imported where something is written: the kernels alone need torch and nothing else.
    from visionlora.errors import VisionLoraError
    from visionlora.files import replacing

    try:
        with replacing(file) as part:
            part.write_text(json.dumps({**read(file), key: decision}, indent=1, sort_keys=True))
    except (OSError, VisionLoraError) as error:
        message = (
            f"timings are not kept, so each run measures again: {str(error).partition(';')[0]}; set "
            "VISIONLORA_CACHE to a folder that can be written, or to nothing"
        )
        if message not in _warned:
            _warned.add(message)
            warnings.warn(message, stacklevel=2)
