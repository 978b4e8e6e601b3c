"""What happens where memory does not suffice: the work is done in parts, or a clear error ends it."""

from __future__ import annotations

import gc
import logging
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from visionlora.errors import MachineFault

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

# PyTorch has a class for accelerators alone; the CPU's allocator and oneDNN raise RuntimeError.
_WORDS = re.compile(
    r"out of memory|not enough memory|can't allocate memory|cannot allocate memory|std::bad_alloc", re.I
)
ADVICE = "use a smaller data.batch_size or network, or free memory"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory, of the CPU or of an accelerator, does not suffice."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and _WORDS.search(str(error)) is not None


def release() -> None:
    """Give unused memory back; tensors of an error's traceback have to be gone by then."""
    import torch

    gc.collect()
    if torch.accelerator.is_available():
        torch.accelerator.empty_cache()


def computed(network: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """``network(*inputs)`` where no gradient is needed; in halves where memory does not suffice.

    Args:
        network: computes each row of its inputs for itself.
        inputs: (batch, ...) each.

    Raises:
        MachineFault: memory does not suffice for one row.
    """
    import torch

    try:
        return network(*inputs)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        rows, reason = len(inputs[0]), str(error)
    if rows < 2:
        raise MachineFault(f"there is not enough memory for one image ({first_line(reason)}); {ADVICE}")
    release()
    log.warning("not enough memory for %d images at once: they are computed in halves", rows)
    halves = zip(*(tensor.chunk(2) for tensor in inputs), strict=True)
    return torch.cat([computed(network, *half) for half in halves])


def first_line(text: str) -> str:
    """The start of PyTorch's error, whose further lines are about its allocator."""
    return (text.splitlines() or [""])[0][:160]
