"""`init=FOLDER`: a start of A and B that was learned. Needs no torch, so that `--help` is quick."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from visionlora.adapters.errors import LoraError


def is_learned(init: object) -> bool:
    """Whether a start is the folder of a learned one."""
    return isinstance(init, str) and "\0" not in init and Path(init, "adapter_config.json").is_file()


def check_learned(init: object, families: Sequence[str]) -> bool:
    """As `is_learned`; raises LoraError where such a start is for other families."""
    if is_learned(init) and tuple(families) != ("lora",):
        raise LoraError(f"init={init} is a start of LoRA's A and B: use family=lora alone.")
    return is_learned(init)
