"""Batches on their way from a worker process, also where shared memory (``/dev/shm``) takes none: Docker
gives 64 MiB by default, and a batch that does not fit would be waited for without end."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, get_worker_info

_log = logging.getLogger(__name__)
_REMEDY = "data.workers=0 needs no shared memory; docker run --shm-size=1g gives more"


def hand_over(batch: dict[str, Tensor]) -> Mapping[str, Tensor | np.ndarray[Any, Any]]:
    """A batch as a worker process sends it: in shared memory, or where that is full, as arrays, which go
    through a pipe."""
    if get_worker_info() is None:
        return batch
    try:
        return {name: tensor.share_memory_() for name, tensor in batch.items()}
    except (RuntimeError, OSError):
        return {name: tensor.numpy() for name, tensor in batch.items()}


class Receiver(DataLoader[Any]):
    """A loader of batches that were handed over."""

    _warned = False

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        # The locks of its queues are in shared memory, too; an iterator that lacks one ends in a traceback.
        queues: list[Any] = []
        try:
            while len(queues) < (self.num_workers and self.num_workers + 2):
                queues.append(multiprocessing.Queue())
        except OSError as error:
            _log.warning("images are read without worker processes: %s; %s", error.strerror, _REMEDY)
            self.num_workers = 0
        queues.clear()
        for batch in super().__iter__():
            yield self._received(batch) if isinstance(batch, dict) else batch

    def _received(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        if not self._warned and any(isinstance(value, np.ndarray) for value in batch.values()):
            self._warned = True
            _log.warning("shared memory (/dev/shm) is full: batches go through pipes, slower; %s", _REMEDY)
        return {name: torch.as_tensor(value) for name, value in batch.items()}
