"""The error that means: the user can mend this."""

from __future__ import annotations


class VisionLoraError(Exception):
    """A mistake in the input, said in one line: what is wrong, which file, layer or key, what to do next.

    Commands print the message without a traceback and leave with ``exit_code``.
    """

    exit_code = 2
