"""SIGINT (Ctrl-C), SIGTERM and SIGHUP (the terminal is closed): the first ends a command where nothing is
half done, the second at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from visionlora.slurm import WARNING, in_job

SIGNALS = (signal.SIGINT, signal.SIGTERM)
HANGUP = getattr(signal, "SIGHUP", None)
"""Sent where a terminal or its connection is closed; None: this system has no such signal."""


def handled() -> tuple[signal.Signals, ...]:
    """The signals that end a command; in a SLURM job also the one that announces the end of its time. nohup
    ignores SIGHUP, and so do we then."""
    more = [WARNING] if in_job() else []
    if HANGUP is not None and signal.getsignal(HANGUP) is not signal.SIG_IGN:
        more.append(HANGUP)
    return (*SIGNALS, *(number for number in more if number is not None))


class Stopped(BaseException):
    """The user or the system asked the command to end; no error, so ``except Exception`` lets it pass.

    Attributes:
        exit_code: 130 after SIGINT, 143 after SIGTERM, 129 after SIGHUP.
        requeues: whether it announced the end of a SLURM job's time.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.exit_code = 128 + number
        self.requeues = number == WARNING


class StopRequest:
    """A signal, from its arrival to the place where it is handled.

    It is handled at once by raising :class:`Stopped`, but inside :meth:`deferred` only where :meth:`check` is
    called: an exception out of nowhere could come while a file is written. A second signal ends the process.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        """The signal that arrived; None: none did."""
        self._raised = False
        self._deferred = 0
        self._rescue: Callable[[], None] | None = None
        self._process = os.getpid()

    def install(self) -> None:
        """Make this the handler of these signals. Only the main thread can."""
        if threading.current_thread() is threading.main_thread():
            for number in handled():
                signal.signal(number, self._handle)

    @contextmanager
    def deferred(self, rescue: Callable[[], None] | None = None) -> Iterator[None]:
        """Inside, a signal waits for :meth:`check`; it is handled at the end at the latest.

        Args:
            rescue: what a second signal does before it ends the process; it saves what would be lost.
        """
        before, self._rescue = self._rescue, rescue
        self._deferred += 1
        try:
            yield
        finally:
            self._deferred -= 1
            self._rescue = before
        if not self._deferred:
            self.check()

    def check(self) -> None:
        """Stop if a signal arrived.

        Raises:
            Stopped: one did.
        """
        if self.number is not None:
            self._raised = True
            raise Stopped(self.number)

    def check_raised(self) -> None:
        """Stop if a signal's exception became an error of the library that it interrupted: compiled code may
        answer any exception with one of its own.

        Raises:
            Stopped: a signal has raised it before.
        """
        if self._raised:
            self.check()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            self._in_worker(number)
            return
        if self.number is not None:
            self._end_at_once(number)
        self.number = number
        if not self._deferred:
            self.check()

    def _in_worker(self, number: int) -> None:
        """Workers inherit the handler. Ctrl-C reaches them too, but it is the main process that ends them, by
        SIGTERM."""
        if number == signal.SIGTERM:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    def _end_at_once(self, number: int) -> None:
        # Not by an exception, which a destructor or a library may swallow. Every file is written beside its
        # place and renamed into it, so none is left half written.
        rescue, self._rescue = self._rescue, None  # a third signal does not wait for it
        if rescue is not None:
            with suppress(Exception):
                rescue()
        if sys.stdout.isatty():
            os.write(sys.stdout.fileno(), b"\x1b[?25h")  # the cursor, which a progress bar hides
        os.write(sys.stderr.fileno(), b"ended at once by a second signal\n")
        os._exit(128 + number)


class NoStop(StopRequest):
    """Signals are ignored: the first of several processes handles them, and ends the others."""

    def install(self) -> None:
        for number in handled():
            signal.signal(number, signal.SIG_IGN)


@contextmanager
def starting() -> Iterator[None]:
    """Inside, SIGINT and SIGTERM end the process at once, in one line. While modules are imported and options
    are read nothing is half done, and an exception would become an error of the library that it interrupts.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _end_in_one_line) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_in_one_line(number: int, frame: FrameType | None) -> None:
    os.write(sys.stderr.fileno(), f"error: stopped by {signal.Signals(number).name}\n".encode())
    os._exit(128 + number)


@contextmanager
def stoppable() -> Iterator[StopRequest]:
    """Inside, the signals raise :class:`Stopped`, at the end at the latest, whatever a library makes
    of the exception; afterwards their handlers are those from before."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.getsignal(number) for number in handled()}
    request.install()
    try:
        yield request
        request.check()
    except Exception:
        request.check_raised()
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
