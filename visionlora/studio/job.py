"""The process of one job: it starts a training, and writes down how that ended.

It belongs to no studio: closing the page, or the studio, does not end it, and a studio that starts later
finds what it left. ``python -m visionlora.studio.job FOLDER`` reads ``FOLDER/job.json``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from visionlora.files import read_json, write_json
from visionlora.run_folder.lock import claimed

JOB, LOG, END = "job.json", "log.txt", "end.json"
FILES, NAMES = "files", "names.json"
"""The folder of what it reads, and in it how people call the images."""


@contextmanager
def stop_waits() -> Iterator[None]:
    """Inside, a job is started: SIGTERM reaches it only when :func:`run_job` can hand it on. Earlier it would
    end the job before that wrote anything, and the next studio would start the job again.

    A process inherits which signals are blocked. Windows has no such mask.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def run_job(folder: Path) -> int:
    """Run the job in ``folder`` to its end; its exit code, which ``end.json`` has too."""
    arguments = read_json(folder / JOB)["arguments"]
    stopped = False
    process: subprocess.Popen[bytes] | None = None

    def hand_on(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True
        if process is not None:
            process.send_signal(number)

    signal.signal(signal.SIGTERM, hand_on)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    with claimed(folder), (folder / LOG).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "visionlora.train", *arguments],
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=_environment(),
        )  # fmt: skip
        if stopped:  # before there was a process to hand it on to
            process.send_signal(signal.SIGTERM)
        _give_way(process.pid)
        code = process.wait()
        write_json(folder / END, {"code": code if code >= 0 else 128 - code})
    return code


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1", "COLUMNS": "110"}


def _give_way(process: int) -> None:
    """A training takes what processor time is left: the page answers at once."""
    if hasattr(os, "setpriority"):
        os.setpriority(os.PRIO_PROCESS, process, 5)


if __name__ == "__main__":
    sys.exit(run_job(Path(sys.argv[1])))
