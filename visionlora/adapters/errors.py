"""What goes wrong with adapters."""

from __future__ import annotations

from visionlora.errors import VisionLoraError


class LoraError(VisionLoraError, ValueError):
    """A mistake of the caller: one line that says what was wrong, where, and what to do next."""


class NoFormError(LoraError):
    """A file of another program has no place for what the adapters do.

    Args:
        reason: what it has no place for, and nothing about what to do instead, which depends on the rest of
            the network (`advised`).
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}.")
        self.reason = reason
