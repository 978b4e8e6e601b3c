"""The processes that compute for the studio (:mod:`visionlora.studio.compute`)."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from visionlora.errors import MachineFault

PROCESSES = 2
"""The second starts when the first is busy: a long check keeps nobody from trying an adapter."""


class Engine:
    """Calls functions of :mod:`visionlora.studio.compute` by name, two at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: ProcessPoolExecutor | None = None

    def warm_up(self) -> None:
        """Start a process and let it import what it needs, before anybody waits for it."""
        self._executor().submit(call, "networks", ())

    async def call(self, function: str, *arguments: Any) -> Any:
        """What the function returns, or raises.

        Raises:
            MachineFault: the process was killed; the next call starts another.
        """
        pool = self._executor()
        try:
            return await asyncio.wrap_future(pool.submit(call, function, arguments))
        except BrokenProcessPool as error:
            with self._lock:
                if self._pool is pool:  # another call that it broke may have made a new one
                    self._pool = None
            raise MachineFault(
                "the computation was killed, perhaps because memory ran out; try again"
            ) from error

    def close(self) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _executor(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._pool is None:
                # Spawned: the page's process has threads, which a fork does not survive.
                context = multiprocessing.get_context("spawn")
                self._pool = ProcessPoolExecutor(PROCESSES, context, _end_with, (os.getpid(),))
            return self._pool


def _end_with(studio: int) -> None:
    """End this process when the studio's does, in whatever way."""

    def watch() -> None:
        while os.getppid() == studio:
            time.sleep(1)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def call(function: str, arguments: tuple[Any, ...]) -> Any:
    """Run a function of :mod:`visionlora.studio.compute`; only the engine's processes import torch."""
    from visionlora.studio import compute

    return getattr(compute, function)(*arguments)
