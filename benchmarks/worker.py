"""Worker processes, one for each contender."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing import Pipe, get_context
from typing import Any

Functions = Callable[..., Mapping[str, Callable[[], Any]]]
"""Makes the functions that a worker process offers, by name."""


class WorkerError(Exception):
    """A contender failed, or its process died; the message is one line."""


class Worker:
    """A process that offers the functions of ``functions(*arguments)``."""

    def __init__(self, functions: Functions, *arguments: Any) -> None:
        self._connection, theirs = Pipe()
        self._process = start(serve, theirs, functions, *arguments)
        # The process must have the only open end, otherwise its death would not be noticed.
        theirs.close()

    def call(self, name: str) -> Any:
        """The result of a function in the process.

        Raises:
            WorkerError: the function failed, or the process died.
        """
        try:
            with suppress(BrokenPipeError):  # it has failed already; the reason is in the pipe
                self._connection.send(name)
            result = self._connection.recv()
        except (EOFError, OSError) as error:
            raise WorkerError("the process died, perhaps out of memory") from error
        if isinstance(result, str):
            raise WorkerError(result)
        return result

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.join()


def start(function: Callable[..., None], connection: Any, *arguments: Any) -> Any:
    """Call ``function(connection, *arguments)`` in a new interpreter."""
    process = get_context("spawn").Process(target=function, args=(connection, *arguments), daemon=True)
    process.start()
    return process


def serve(connection: Any, functions: Functions, *arguments: Any) -> None:
    """Call functions and send their results until the other end is closed; a failure is sent as a string."""
    try:
        known = functions(*arguments)
        while True:
            name = connection.recv()
            gc.collect()  # now, not within the timed step
            connection.send(known[name]())
    except EOFError:
        pass
    except Exception as error:
        connection.send(one_line(error))
    finally:
        connection.close()


def one_line(error: Exception) -> str:
    """The type of an error and the first line of its message."""
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"
