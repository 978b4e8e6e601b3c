"""What a run tells its user: shown at once, written to the log, recorded in ``metrics.json``."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from visionlora.text import in_words, printable

log = logging.getLogger(__name__)


class Notices:
    """Shows messages and keeps them.

    Args:
        console: where they are shown; None: the terminal.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console()
        self.messages: list[str] = []
        self._logging = False

    def say(self, message: str) -> None:
        """Show a decision that was made for the user, and record it."""
        self._record(message, logging.INFO)
        self.console.print(Text.assemble(("· ", "dim"), printable(message)))

    def warn(self, message: str) -> None:
        """The same for what the user should act on or know before using the result."""
        self._record(message, logging.WARNING)
        self.console.print(Text.assemble(("! warning: ", "bold yellow"), (printable(message), "yellow")))

    def unused(self, options: Sequence[str], reason: str) -> None:
        """Warn that these options, by their full names, have no effect, if there are any."""
        if options:
            self.warn(f"{in_words(options)} {'is' if len(options) == 1 else 'are'} not used: {reason}")

    def start_log(self) -> None:
        """Log what was said so far and everything from now on.

        Not before the run has a folder: opening the log file creates it, and bad input creates no folder.
        """
        for message in self.messages:
            log.info(message)
        self._logging = True

    def _record(self, message: str, level: int) -> None:
        self.messages.append(message)
        if self._logging:
            log.log(level, message)
