"""The common part of the benchmarks' commands."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.quality_tasks import REAL
from visionlora.errors import VisionLoraError
from visionlora.signals import Stopped

_SHARED: dict[str, dict[str, Any]] = {
    "show": {"action": "store_true", "help": "run nothing; show the records"},
    "real": {"type": Path, "default": REAL, "metavar": "FOLDER", "help": "real weights and images"},
    "json": {"type": Path, "metavar": "FILE", "help": "all figures as JSON"},
    "results": {"type": Path, "metavar": "FILE", "help": "replace the section in a Markdown page"},
}


def new_parser(name: str, description: str | None, epilog: str | None = None) -> argparse.ArgumentParser:
    """The parser of ``python -m benchmarks.NAME``."""
    return argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=epilog,
    )


def at_least(least: int) -> Callable[[str], int]:
    """The type of an option that is a whole number of at least ``least``."""

    def whole(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")
        return int(text)

    return whole


def add_shared(
    parser: argparse.ArgumentParser, *names: str, threads: int | None = None, records: str | None = None
) -> None:
    """Add options that several benchmarks have.

    Args:
        parser: of one of them.
        names: show, real, json, results.
        threads: the default of ``--threads``; 0: PyTorch's own number; None: there is no such option.
        records: the file in ``outputs/`` that keeps finished runs by default; None: runs are not kept.
    """
    if threads is not None:
        words = "of PyTorch" if threads else "0: PyTorch's own number"
        parser.add_argument("--threads", type=at_least(0), default=threads, help=words)
    if records is not None:
        default = Path("outputs", records)
        parser.add_argument("--records", type=Path, default=default, metavar="FILE", help="finished runs")
    for name in names:
        parser.add_argument(f"--{name}", **_SHARED[name])


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
