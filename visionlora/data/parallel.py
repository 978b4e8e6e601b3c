"""Work on many things at once: in processes where these start in a moment, in threads elsewhere."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import TypeVar

from visionlora.errors import MachineFault

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST = 8
"""Processes or threads; more of them wait for the disk."""

_LOADING = 4
_BATCH = 64
_FEW = 4 * _BATCH
"""Items for which no processes are started."""
_AHEAD = 4
"""Items that each thread may be ahead of what was taken."""


def in_batches(
    work: Callable[[Sequence[Item]], Result], items: Sequence[Item]
) -> Iterator[tuple[Sequence[Item], Result]]:
    """``work`` on the items: (batch of them, its result) in order.

    Threads take turns at Python's own share of the work, a third of it for small images; processes do not.

    Args:
        work: its result must be picklable; so must the error that it raises.
        items: what it is done with.

    Raises:
        MachineFault: a process was ended from outside, or by a fault in a library.
    """
    workers = _workers()
    size = max(1, min(_BATCH, -(-len(items) // (4 * workers))))
    batches = [items[start : start + size] for start in range(0, len(items), size)]
    if len(items) > _FEW and workers > 1 and _can_fork():
        results = _in_processes(work, batches, workers)
    else:
        results = in_threads(work, batches)
    return zip(batches, results, strict=True)


def loading_processes(device: str) -> int:
    """Processes that load images while a device of this kind computes, where nobody says how many.

    On the CPU they would take its cores from training. On an accelerator a step waits for its images without
    them: on an H100, 30 of the 85 ms of SqueezeNet's step. Only Linux starts processes in a moment.
    """
    return 0 if device == "cpu" or sys.platform != "linux" else min(_LOADING, _cores() // 2)


def _workers() -> int:
    return min(MOST, _cores())


def _cores() -> int:
    """That this process may use; the machine may have more."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _can_fork() -> bool:
    """Whether a copy of this process can compute: only the thread that makes it is in it.

    PyTorch has threads, and devices, that Python does not count; macOS and Windows start new processes from
    nothing, which takes as long as reading a thousand images.
    """
    alone = threading.active_count() == 1 and not multiprocessing.current_process().daemon
    return sys.platform == "linux" and alone and "torch" not in sys.modules


def in_threads(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """The results of ``work`` on each item, in order; a thread is never far ahead of what was taken."""
    workers = _workers()
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > _AHEAD * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _in_processes(
    work: Callable[[Sequence[Item]], Result], batches: Sequence[Sequence[Item]], workers: int
) -> Iterator[Result]:
    """Each process has every ``workers``-th batch; a full pipe stops one that is far ahead."""
    context = multiprocessing.get_context("fork")
    pipes: list[Connection] = []
    processes = []
    try:
        for rank in range(workers):
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(target=_serve, args=(work, batches[rank::workers], sender), daemon=True)
            process.start()
            sender.close()
            pipes.append(receiver)
            processes.append(process)
        for place in range(len(batches)):
            try:
                failed, result = pickle.loads(pipes[place % workers].recv_bytes())
            except EOFError:
                process = processes[place % workers]
                process.join()
                raise MachineFault(
                    f"a process that reads images ended with exit code {process.exitcode}; is there enough "
                    f"memory? It was reading one of {len(batches[place])} files from {batches[place][0]} on"
                ) from None
            if failed:
                raise result
            yield result
    finally:
        for process in processes:
            process.kill()  # nothing, where it has ended
            process.join()
        for pipe in pipes:
            pipe.close()


def _serve(
    work: Callable[[Sequence[Item]], Result], batches: Sequence[Sequence[Item]], sender: Connection
) -> None:
    """The whole life of a process; the one that started it answers signals, and ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        for batch in batches:
            answer: tuple[bool, Result | Exception]
            try:
                answer = (False, work(batch))
            except Exception as error:
                answer = (True, error)
            sender.send_bytes(pickle.dumps(answer, pickle.HIGHEST_PROTOCOL))
    except BrokenPipeError:  # it has ended, or wants no more
        return
