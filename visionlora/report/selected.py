"""Which figures of a run are on images that chose something in it, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from visionlora.report.metrics_file import SELECTED


def selected_words(metrics: Mapping[str, Any]) -> str:
    """What the images of the starred figures have chosen."""
    sections = (metrics["after"], metrics["retention"], metrics["contrast"])
    chosen = [one for section in sections if isinstance(section, Mapping) for one in section[SELECTED]]
    return ", ".join(dict.fromkeys(chosen))
