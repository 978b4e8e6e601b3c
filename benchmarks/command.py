"""What every yardstick's command has in common."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence

from visionlora.errors import VisionLoraError


def run_command(
    parser: argparse.ArgumentParser,
    run: Callable[[argparse.Namespace, str], object],
    arguments: Sequence[str] | None,
) -> int:
    """Runs a yardstick; an error that the user can mend is said in a line.

    Args:
        parser: its ``prog`` is the command as one types it.
        run: is given the options and the whole command line.
        arguments: None: those of this process.

    Returns:
        The exit status.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(given)
    try:
        run(options, f"{parser.prog} {shlex.join(given)}".strip())
    except VisionLoraError as error:
        parser.exit(error.exit_code, f"{parser.prog}: {error}\n")
    return 0
