"""Reads inputs in forked processes, within limits of time and memory; a crash is one more finding."""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType

from visionlora.errors import VisionLoraError

SECONDS = 5.0
"""Of processor time that one input may take."""
MEMORY = 2**30
"""Bytes that reading may add to a process."""
_SILENCE = 60.0
"""Seconds without a result, after which a process hangs."""


class _TooSlow(BaseException):
    """Not an Exception: a reader that catches those must not catch it."""


@dataclass
class Findings:
    """What reading many inputs showed.

    Attributes:
        read: how many were read.
        refused: how many of them with an error of ours.
        slowest: seconds of processor time.
        peak: bytes that reading added to the process.
        failures: "number: what" for each input that ended otherwise.
    """

    read: int = 0
    refused: int = 0
    slowest: float = 0.0
    peak: int = 0
    failures: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.read} inputs, {self.refused} refused, {len(self.failures)} failures, slowest "
            f"{self.slowest:.2f} s, {self.peak / 2**20:.0f} MiB added"
        )


def read_all(read: Callable[[int], None], count: int) -> Findings:
    """Call ``read`` with every number below ``count``; it raises what reading that input raises."""
    findings, start = Findings(), 0
    while start < count:
        start = _in_one_process(read, start, count, findings)
    return findings


def _in_one_process(read: Callable[[int], None], start: int, count: int, findings: Findings) -> int:
    """Read from ``start`` on in a new process; the number to go on with."""
    receiver, sender = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(receiver)
        try:
            for number in range(start, count):
                os.write(sender, (json.dumps(_attempt(read, number)) + "\n").encode())
        finally:
            os._exit(0)
    os.close(sender)
    done = start
    for line in _lines(receiver):
        number, outcome, seconds, peak = json.loads(line)
        done = number + 1
        findings.read += 1
        findings.refused += outcome == "refused"
        findings.slowest, findings.peak = max(findings.slowest, seconds), max(findings.peak, peak)
        if outcome not in ("read", "refused"):
            findings.failures.append(f"{number}: {outcome}")
    os.close(receiver)
    os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    if done < count:
        findings.read += 1
        findings.failures.append(f"{done}: the process hung or crashed (status {status})")
        done += 1
    return done


def _attempt(read: Callable[[int], None], number: int) -> tuple[int, str, float, int]:
    before, started = _resident(), time.process_time()
    limit = _virtual() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    # Of processor time: a busy machine is no fault of the reader. What waits is noticed by its silence.
    signal.signal(signal.SIGPROF, _too_slow)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        read(number)
        outcome = "read"
    except VisionLoraError as error:
        outcome = "refused" if len(str(error)) < 10_000 else f"an error of {len(str(error))} letters"
    except BaseException as error:
        trace = " | ".join(traceback.format_tb(error.__traceback__, limit=-4)).replace("\n", "")
        outcome = f"{type(error).__name__}: {str(error)[:300]} | {trace}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return number, outcome[:3000], time.process_time() - started, max(0, _resident() - before)


def _too_slow(number: int, frame: FrameType | None) -> None:
    raise _TooSlow


def _resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _virtual() -> int:
    with open("/proc/self/statm") as file:  # noqa: PTH123 - called for every input
        return int(file.read().split()[0]) * resource.getpagesize()


def _lines(receiver: int) -> Iterator[bytes]:
    """Lines until the process ends, or says nothing for too long."""
    rest = b""
    while select.select([receiver], [], [], _SILENCE)[0]:
        chunk = os.read(receiver, 1 << 16)
        if not chunk:
            return
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
