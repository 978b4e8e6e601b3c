"""The process of one job: it starts a training, and writes down how that ended.

It belongs to no studio: closing the page, or the studio, does not end it, and a studio that starts later
finds what it left. ``python -m visionlora.studio.job`` reads the job's folder, a line of JSON, from standard
input; until then it is the studio's spare process, whose training has imported already what takes seconds.
It ends with the studio where no folder comes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import IO

from visionlora.files import read_json, write_json
from visionlora.run_folder.lock import claimed

JOB, LOG, END = "job.json", "log.txt", "end.json"


def main() -> int:
    """Wait for a job and run it to its end; its exit code, which ``end.json`` has too."""
    training: subprocess.Popen[bytes] | None = None
    stopped = False

    def hand_on(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True
        if training is not None:
            training.send_signal(number)

    spare = _training()
    signal.signal(signal.SIGTERM, hand_on)  # only a training is stopped: a spare process ends with its studio
    given = sys.stdin.readline()
    if not given:
        spare.kill()
        return 0
    folder = Path(json.loads(given))
    with claimed(folder), (folder / LOG).open("ab") as log:
        training = spare if spare.poll() is None else _training(log)
        tell(training, [str(folder / LOG), read_json(folder / JOB)["arguments"]])
        if stopped:  # before there was a training to hand it on to
            training.send_signal(signal.SIGTERM)
        code = training.wait()
        write_json(folder / END, {"code": code if code >= 0 else 128 - code})
    return code


def tell(process: subprocess.Popen[bytes], value: object) -> None:
    """Send a process the one line of JSON that it waits for. That it has died is for its exit code to say."""
    assert process.stdin is not None
    with suppress(BrokenPipeError), process.stdin as pipe:
        pipe.write(json.dumps(value).encode() + b"\n")


def _training(log: IO[bytes] | None = None) -> subprocess.Popen[bytes]:
    """A training that waits for its arguments.

    Args:
        log: what it prints before it has them goes there; None: nowhere.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "visionlora.studio.worker"],
        stdin=subprocess.PIPE, stdout=log or subprocess.DEVNULL, stderr=log or subprocess.DEVNULL,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1", "COLUMNS": "110"},
    )  # fmt: skip
    if hasattr(os, "setpriority"):  # it takes what processor time is left: the page answers at once
        os.setpriority(os.PRIO_PROCESS, process.pid, 5)
    return process


if __name__ == "__main__":
    sys.exit(main())
