"""Confidence intervals of accuracies: five correct images of five do not mean 100 %."""

from __future__ import annotations

import math
from typing import Any

Z95 = 1.959964
"""Two-sided 95 % quantile of the normal distribution."""


def wilson_interval(share: float, count: int, z: float = Z95) -> tuple[float, float]:
    """The Wilson score interval of a proportion (Wilson 1927; Brown, Cai and DasGupta 2001, equation 4).

    Args:
        share: successes divided by ``count``, 0 to 1.
        count: number of trials, at least 1.
        z: quantile of the normal distribution; 1.96 for 95 %.

    Returns:
        The lower and the upper bound, both within 0 and 1.

    Raises:
        ValueError: ``share`` or ``count`` is out of range.
    """
    if count < 1 or not 0 <= share <= 1:
        raise ValueError(f"share is {share} of {count}; give a share from 0 to 1 of at least 1")
    spread = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    middle = share + z * z / (2 * count)
    scale = 1 + z * z / count
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def with_interval(name: str, share: float, count: int) -> dict[str, Any]:
    """A share of ``count`` images, and its 95 % interval as ``<name>_interval``: [lower, upper]."""
    return {name: share, f"{name}_interval": list(wilson_interval(share, count))}


def shown_share(value: float | str) -> str:
    """A figure in a table; a text, such as "not measured", as it is."""
    return value if isinstance(value, str) else f"{value:.3f}"


def shown_interval(share: float | str, count: int) -> str:
    """The 95 % interval of a share of ``count`` images in a table; empty where the share is a text."""
    if isinstance(share, str):
        return ""
    low, high = wilson_interval(share, count)
    return f"{low:.2f} to {high:.2f}"
