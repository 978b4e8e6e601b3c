"""The common part of the benchmarks' commands."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence

from visionlora.errors import VisionLoraError
from visionlora.signals import Stopped


def run_command(
    parser: argparse.ArgumentParser,
    run: Callable[[argparse.Namespace, str], object],
    arguments: Sequence[str] | None,
) -> int:
    """Run a benchmark; a user's mistake ends it with one line, and so does a signal in one of its runs.

    Args:
        parser: its ``prog`` is the command as it is typed.
        run: called with the options and the whole command line.
        arguments: None stands for those of this process.

    Returns:
        The exit status.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(given)
    try:
        run(options, f"{parser.prog} {shlex.join(given)}".strip())
    except (VisionLoraError, Stopped) as error:
        parser.exit(error.exit_code, f"{parser.prog}: {error}\n")
    return 0
