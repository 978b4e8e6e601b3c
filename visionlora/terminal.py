"""What a command prints: text for people on stdout, errors and warnings in a line each on stderr."""

from __future__ import annotations

import errno
import io
import os
import select
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO

from visionlora.text import SAFE, printable

if TYPE_CHECKING:
    from typing_extensions import Buffer


def make_streams_safe() -> None:
    """Let stdout and stderr write every character in every encoding, escaped where they cannot show it, and
    nowhere where the caller has closed them (``>&-``) or the terminal is closed."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - kept open
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=SAFE)
            if stream.isatty() and os.name == "posix":
                stream.flush()
                raw = io.BufferedWriter(_Terminal(stream.fileno(), "w", closefd=False))
                setattr(sys, name, io.TextIOWrapper(raw, stream.encoding, SAFE, line_buffering=True))


class _Terminal(io.FileIO):
    """What is written to a terminal that is closed meanwhile (the connection ended) goes nowhere: a training
    in the background goes on, and ``train.log`` has the same."""

    def write(self, text: Buffer, /) -> int:
        try:
            return super().write(text)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            return super().write(text)


def show(text: str) -> None:
    """Print a text; a reader such as ``head`` that has seen enough is no error."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        discard(sys.stdout)


def discard(stream: TextIO) -> None:
    """Let a stream that nobody reads go nowhere: the interpreter flushes once more when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def output_is_closed() -> bool:
    """Whether what is printed goes into a pipe whose reader has ended."""
    if not hasattr(select, "poll"):  # Windows
        return False
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def warn_in_a_line() -> None:
    """Let warnings of Python be ``warning: message`` in one line, without the line of code that gave it."""
    warnings.formatwarning = lambda message, *args, **more: f"warning: {_in_a_line(str(message))}\n"


def _in_a_line(message: str) -> str:
    return printable(" ".join(message.split()))


def print_error(message: str) -> None:
    """Print ``error: message`` in one line, without control sequences."""
    show_on_stderr(f"error: {_in_a_line(message)}")


def show_on_stderr(text: str) -> None:
    """Print a text for people beside the output. A reader that has ended (``2>&1 | head``) is no error: the
    exit code says the rest."""
    try:
        print(text, file=sys.stderr, flush=True)
    except BrokenPipeError:
        discard(sys.stderr)


def fail(message: str, exit_code: int = 2) -> NoReturn:
    """Print ``error: message`` in one line and exit."""
    print_error(message)
    sys.exit(exit_code)
