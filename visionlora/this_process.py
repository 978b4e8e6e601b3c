"""Which of a command's processes this is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

Value = TypeVar("Value")

TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
_SLURM = ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", "SLURM_NTASKS_PER_NODE")


@dataclass(frozen=True)
class Process:
    """One of the processes that work on a command; as it is built, the only one.

    Attributes:
        rank: its number, from 0.
        count: how many there are.
        local_rank: its number on this machine.
        local_count: how many there are on this machine.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    local_count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes the results."""
        return self.rank == 0

    def share(self, items: Sequence[Value]) -> Sequence[Value]:
        """Those of the items that are this process's; every item is one process's."""
        return items if self.count == 1 else items[self.rank :: self.count]


def this_process() -> Process:
    """Where this process stands, by the variables that torchrun, srun or :func:`joined` set."""
    for names in (TORCHRUN, _SLURM):
        values = [os.environ.get(name, "") for name in names]
        if names is _SLURM and not values[3]:
            values[3] = values[1]  # one machine
        if all(value.isdecimal() for value in values) and int(values[1]) > 1:
            return Process(*map(int, values))
    return Process()
