"""The error that the user can correct."""

from __future__ import annotations


class VisionLoraError(Exception):
    """A mistake in the input, in one line: what is wrong, which file, layer or key, and what to do next.

    Commands print the message without a traceback and exit with ``exit_code``.
    """

    exit_code = 2


class MachineFault(VisionLoraError):
    """No mistake in the input: a full disk, too little memory. What was written before is intact."""

    exit_code = 4
