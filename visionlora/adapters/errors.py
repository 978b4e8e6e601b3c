"""What goes wrong with adapters."""

from __future__ import annotations

from visionlora.errors import VisionLoraError


class LoraError(VisionLoraError, ValueError):
    """A mistake of the caller: one line that says what was wrong, where, and what to do next."""
