"""Work on many things at once: in processes where these start in a moment, in threads elsewhere."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

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
_REST, _NO_MORE = b"rest", b"no more"


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
    batches = _cut(items, size)
    if _worth_processes(items, workers):
        results = _in_processes(work, batches, workers)
    else:
        results = in_threads(work, batches)
    return zip(batches, results, strict=True)


def _cut(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _worth_processes(items: Sequence[object], workers: int) -> bool:
    return len(items) > _FEW and workers > 1 and _can_fork()


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


@contextmanager
def in_background(
    work: Callable[[Sequence[Item]], Result], items: Sequence[Item]
) -> Iterator[Callable[[bool], Iterator[tuple[Sequence[Item], Result]]]]:
    """``work`` on the items while this process does something else, in other processes.

    Gives a function that returns (batch, its result): of what is done by then, and of the rest, too, as it is
    done, where its argument says so. Nothing where no processes can be started, nor of batches that failed:
    whoever needs those does them again, and is told.

    Args:
        work: as of :func:`in_batches`.
        items: what it is done with, the first ones first.
    """
    workers = _workers()
    if not _worth_processes(items, workers):
        yield lambda rest: iter(())
        return
    shares = [_cut(items, _BATCH)[rank::workers] for rank in range(workers)]
    with _started(_serve_when_asked, [(work, share) for share in shares]) as started:

        def results(rest: bool) -> Iterator[tuple[Sequence[Item], Result]]:
            for _, pipe in started:
                with suppress(OSError):  # it was ended from outside
                    pipe.send_bytes(_REST if rest else _NO_MORE)
            left = [(pipe, iter(share)) for (_, pipe), share in zip(started, shares, strict=True)]
            while left:
                ready = wait([pipe for pipe, _ in left])
                for pipe, batches in [one for one in left if one[0] in ready]:
                    try:
                        done = pickle.loads(pipe.recv_bytes())
                    except (EOFError, OSError):
                        done = []
                    yield from ((batch, one) for one, batch in zip(done, batches, strict=False))
                    if not done:
                        left.remove((pipe, batches))

        yield results


def _in_processes(
    work: Callable[[Sequence[Item]], Result], batches: Sequence[Sequence[Item]], workers: int
) -> Iterator[Result]:
    """Each process has every ``workers``-th batch; a full pipe stops one that is far ahead."""
    with _started(_serve, [(work, batches[rank::workers]) for rank in range(workers)]) as started:
        for place in range(len(batches)):
            process, pipe = started[place % workers]
            try:
                failed, result = pickle.loads(pipe.recv_bytes())
            except EOFError:
                process.join()
                raise MachineFault(
                    f"a process that reads images ended with exit code {process.exitcode}; is there enough "
                    f"memory? It was reading one of {len(batches[place])} files from {batches[place][0]} on"
                ) from None
            if failed:
                raise result
            yield result


@contextmanager
def _started(
    serve: Callable[..., None], shares: Sequence[tuple[Any, ...]]
) -> Iterator[list[tuple[BaseProcess, Connection]]]:
    """A process for each share of the work, and the pipe to it; none is left at the end."""
    context = multiprocessing.get_context("fork")
    started: list[tuple[BaseProcess, Connection]] = []
    try:
        for share in shares:
            ours, theirs = context.Pipe()
            inherited = [ours, *(pipe for _, pipe in started)]
            process: BaseProcess = context.Process(
                target=_begin, args=(inherited, serve, *share, theirs), daemon=True
            )
            process.start()
            theirs.close()
            started.append((process, ours))
        yield started
    finally:
        for process, pipe in started:
            process.kill()  # nothing, where it has ended
            process.join()
            pipe.close()


def _begin(inherited: Sequence[Connection], serve: Callable[..., None], *work: Any) -> None:
    """The whole life of a process. Its objects are not looked through. The process that started it answers
    signals and ends it; where that has ended without, the pipe to it is closed, once no copy is open here."""
    gc.freeze()
    for pipe in inherited:
        pipe.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    serve(*work)


def _serve(
    work: Callable[[Sequence[Item]], Result], batches: Sequence[Sequence[Item]], pipe: Connection
) -> None:
    """Sends each result, or the error."""
    try:
        for batch in batches:
            answer: tuple[bool, Result | Exception]
            try:
                answer = (False, work(batch))
            except Exception as error:
                answer = (True, error)
            _send(answer, pipe)
    except OSError:  # whoever started it has ended, or wants no more
        return


def _serve_when_asked(
    work: Callable[[Sequence[Item]], Result], batches: Sequence[Sequence[Item]], pipe: Connection
) -> None:
    """Keeps the results until it is asked for them; sends lists of them, and an empty one at the end."""
    done: list[Result] = []
    asked = b""
    with suppress(Exception):  # whoever needs this batch and the others is told
        for batch in batches:
            if not asked and pipe.poll():
                asked = pipe.recv_bytes()
            if asked == _NO_MORE:
                break
            if asked and done:
                _send(done, pipe)
                done = []
            done.append(work(batch))
    with suppress(EOFError, OSError):  # as above
        if not asked:
            pipe.recv_bytes()
        _send(done, pipe)
        _send([], pipe)


def _send(what: object, pipe: Connection) -> None:
    pipe.send_bytes(pickle.dumps(what, pickle.HIGHEST_PROTOCOL))
