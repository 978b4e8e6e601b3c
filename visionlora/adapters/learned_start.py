"""`init=FOLDER`: a start of A and B that was learned. Needs no torch, so that `--help` is quick."""

from __future__ import annotations

import os
from collections.abc import Sequence

from visionlora.adapters.errors import LoraError


def is_learned(init: object) -> bool:
    """Whether a start is the folder of a learned one."""
    if not isinstance(init, str):
        return False
    # os.path says no to what can't be a path; pathlib raises OSError where a name is too long.
    return os.path.isfile(os.path.join(init, "adapter_config.json"))  # noqa: PTH113, PTH118


def check_learned(init: object, families: Sequence[str]) -> bool:
    """As `is_learned`; raises LoraError where such a start is for other families."""
    if is_learned(init) and tuple(families) != ("lora",):
        raise LoraError(f"init={init} is a start of LoRA's A and B: use family=lora alone.")
    return is_learned(init)
