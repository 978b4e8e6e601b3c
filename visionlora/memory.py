"""What happens where memory does not suffice: the work is done in parts, or a clear error ends it."""

from __future__ import annotations

import gc
import logging
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from visionlora.errors import MachineFault

if TYPE_CHECKING:
    from torch import Tensor

    Loss = tuple[Tensor, dict[str, Tensor]]
    """The loss of a step, and its figures by name."""

T = TypeVar("T")

log = logging.getLogger(__name__)

# PyTorch has a class for accelerators alone; the CPU's allocator and oneDNN raise RuntimeError.
_WORDS = re.compile(
    r"out of memory|not enough memory|can't allocate memory|cannot allocate memory|std::bad_alloc"
    r"|failed to map segment from shared object(?!: \w+ not permitted)",  # a library, while it is imported
    re.I,
)
ADVICE = "use a smaller data.batch_size or network, or free memory"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory, of the CPU or of an accelerator, does not suffice."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError | ImportError) and _WORDS.search(str(error)) is not None


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


class Parts:
    """In how many parts the batch of a training step is computed: one, until memory does not suffice.

    The activations of one part are in memory at a time: each is computed once more for its gradients, which
    add up in the parameters (gradient checkpointing over the batch: Chen et al. 2016,
    https://arxiv.org/abs/1604.06174). The loss is that of the whole batch.

    Of several processes each finds out for itself, and computes its gradients again while the others wait for
    them; then all use as many parts as the one that needs most.

    Args:
        announce: tells the user about more parts.
        count: how many there are at first.
    """

    def __init__(self, announce: Callable[[str], None], count: int = 1) -> None:
        self.count = count
        self._rows = 0
        self._announce = announce

    def compute(self, network: Callable[..., Tensor], inputs: Sequence[Tensor]) -> Tensor:
        """``network(*inputs)``, (batch, ...) each; the network computes each row for itself."""
        import torch
        from torch.utils.checkpoint import checkpoint

        self._rows = len(inputs[0])
        if self.count == 1:
            return network(*inputs)
        chunks = zip(*(tensor.chunk(self.count) for tensor in inputs), strict=True)
        return torch.cat([checkpoint(network, *chunk, use_reentrant=False) for chunk in chunks])

    def double(self, reason: str, step: int) -> None:
        """Use twice as many from now on.

        Raises:
            MachineFault: that would not help. The other processes raise it too, in :meth:`agree`.
        """
        if self.count >= self._rows:
            _of_all_processes(self.count, failed=True)
            raise MachineFault(f"there is not enough memory for step {step} ({reason}); {ADVICE}")
        self._use(2 * self.count, f"not enough memory at step {step} ({reason})")

    def agree(self, step: int) -> None:
        """Use as many as the process that needs most; each calls this when it has computed its gradients.

        Raises:
            MachineFault: one of them cannot compute a single image.
        """
        most, failed = _of_all_processes(self.count, failed=False)
        if failed:
            raise MachineFault(f"there is not enough memory for step {step} in another process; {ADVICE}")
        if most > self.count:
            self._use(most, f"not enough memory at step {step} in another process")

    def _use(self, count: int, why: str) -> None:
        self.count = count
        self._announce(
            f"{why}: batches are computed in {count} parts, whose gradients add up (gradient accumulation); "
            "the result is the same to rounding"
        )


def _of_all_processes(parts: int, failed: bool) -> tuple[int, bool]:
    """The largest number of parts, and whether one of the processes has failed."""
    from torch import distributed, tensor

    if not distributed.is_initialized():
        return parts, failed
    numbers = tensor([parts, int(failed)])  # on the CPU: no process waits for its accelerator
    distributed.all_reduce(numbers, distributed.ReduceOp.MAX)
    return int(numbers[0]), bool(numbers[1])


class StepLoss:
    """The loss of a training step, whose graph can be dropped and computed again.

    Args:
        compute: gives the loss and figures of the step.
        parts: that it computes the batch in.
        step: its number.

    Attributes:
        value: the loss without its graph: holding it does not hold the activations.
        figures: by name.
    """

    def __init__(
        self, compute: Callable[[], tuple[Tensor, dict[str, Tensor]]], parts: Parts, step: int
    ) -> None:
        self._compute = compute
        self._more_parts, self._agree = partial(parts.double, step=step), partial(parts.agree, step)
        loss, figures = within_memory(compute, self._more_parts)
        self._graph: Tensor | None = loss
        self.value = loss.detach().requires_grad_()
        self.figures = {name: figure.detach() for name, figure in figures.items()}

    def backward(
        self, loss: Tensor, parameters: Sequence[Tensor], context: Callable[[], AbstractContextManager[Any]]
    ) -> None:
        """Add this process's gradients to the parameters.

        Args:
            loss: a function of ``value`` alone, such as a multiple of it.
            parameters: whose gradients are zero or None now.
            context: in which the loss is computed again, should it have to be.
        """
        loss.backward()
        within_memory(lambda: self._backward(parameters, context), self._more_parts)
        self._agree()

    def _backward(
        self, parameters: Sequence[Tensor], context: Callable[[], AbstractContextManager[Any]]
    ) -> None:
        graph, self._graph = self._graph, None
        if graph is None:  # the attempt before this one ran out of memory half way
            for parameter in parameters:
                parameter.grad = None
            with context():
                graph, _ = self._compute()
        graph.backward(self.value.grad)


def within_memory(compute: Callable[[], T], change: Callable[[str], None]) -> T:
    """``compute()``; each time memory does not suffice, ``change`` is told why and it is tried again."""
    while True:
        try:
            return compute()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            reason = first_line(str(error))
        release()
        change(reason)


def first_line(text: str) -> str:
    """The start of PyTorch's error, whose further lines are about its allocator."""
    return (text.splitlines() or [""])[0][:160]
