"""The end of a command's process, in less time than the interpreter takes for it."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from pathlib import Path


def end_command(code: int) -> None:
    """End the process of a command; return where the process is not a command's own."""
    if _of_command():
        end_process(code)


def end_process(code: int) -> None:
    """End the process as multiprocessing ends its workers; return where what it printed cannot be written.

    Threads end, exit handlers run and streams are flushed, as the interpreter does it. It would then free all
    that PyTorch consists of, object by object, which takes over a second.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):  # the interpreter has an exit code for it
        return
    os._exit(code)


def _of_command() -> bool:
    """Whether this process was started for a command of ours: tests and scripts that call one go on."""
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return spec.name.partition(".")[0] == "visionlora"
    return Path(getattr(main, "__file__", None) or "").stem == "visionlora"
