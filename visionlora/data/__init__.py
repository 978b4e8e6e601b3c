"""Image folders: scan, check, label, split, transform, serve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from visionlora.lazy import names_of_api

if TYPE_CHECKING:
    from visionlora.data.api import *  # noqa: F403

__getattr__, __dir__ = names_of_api(__name__)
