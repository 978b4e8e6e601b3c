"""Processes that each hold one contender and answer questions."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing import Pipe, get_context
from typing import Any

Answers = Callable[..., Mapping[str, Callable[[], Any]]]


class StallError(Exception):
    """A contender failed, or its process died; the reason in one line."""


class Stall:
    """A process in which ``answers(*arguments)`` was called and whose result it answers with."""

    def __init__(self, answers: Answers, *arguments: Any) -> None:
        self._connection, theirs = Pipe()
        self._process = start(serve, theirs, answers, *arguments)
        # The only open end must be the process's own, or its death would go unnoticed.
        theirs.close()

    def ask(self, question: str) -> Any:
        """What the process answers.

        Raises:
            StallError: there is no answer.
        """
        try:
            with suppress(BrokenPipeError):  # it has failed already, and its reason waits to be read
                self._connection.send(question)
            answer = self._connection.recv()
        except (EOFError, OSError) as error:
            raise StallError("the process died, perhaps for want of memory") from error
        if isinstance(answer, str):
            raise StallError(answer)
        return answer

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.join()


def start(function: Callable[..., None], connection: Any, *arguments: Any) -> Any:
    """Call ``function(connection, *arguments)`` in a fresh interpreter."""
    process = get_context("spawn").Process(target=function, args=(connection, *arguments), daemon=True)
    process.start()
    return process


def serve(connection: Any, answers: Answers, *arguments: Any) -> None:
    """Answer until the other end is closed; a failure is answered with a string."""
    try:
        known = answers(*arguments)
        while True:
            question = connection.recv()
            gc.collect()  # now, not in the middle of what is timed
            connection.send(known[question]())
    except EOFError:
        pass
    except Exception as error:
        connection.send(one_line(error))
    finally:
        connection.close()


def one_line(error: Exception) -> str:
    """The kind of an error and the first line of what it says."""
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"
