"""Reading from a share that fails now and then: what may pass is tried again."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")

_PASSING = frozenset(
    getattr(errno, name)
    for name in (
        "EIO", "ESTALE", "ETIMEDOUT", "EAGAIN", "EBUSY", "EINTR", "ECONNRESET", "ECONNABORTED",
        "ECONNREFUSED", "EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN", "ENETUNREACH", "ENETRESET",
        "EREMOTEIO", "ENOTCONN",
    )
    if hasattr(errno, name)
)  # fmt: skip
WAITS_S = (0.5, 2.0, 8.0)
"""Before each further attempt."""

log = logging.getLogger(__name__)


def may_pass(error: BaseException) -> bool:
    """Whether an error is one that a network share gives now and then."""
    return isinstance(error, OSError) and error.errno in _PASSING


def retried(
    path: Path | str, read: Callable[[], Result], wait: Callable[[float], None] = time.sleep
) -> Result:
    """``read()``, again after a while where it fails in a way that may pass; each time a warning says so.

    Args:
        path: what is read, for the warning.
        read: reads it; called up to four times.
        wait: waits for so many seconds.

    Raises:
        OSError: it failed every time, or in another way.
    """
    for attempt, seconds in enumerate(WAITS_S, start=1):
        try:
            return read()
        except OSError as error:
            if not may_pass(error):
                raise
            log.warning(
                "%s: %s; attempt %d of %d follows in %g s", path, (error.strerror or str(error)).lower(),
                attempt + 1, len(WAITS_S) + 1, seconds,
            )  # fmt: skip
            wait(seconds)
    return read()
