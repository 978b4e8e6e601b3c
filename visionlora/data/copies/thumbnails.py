"""Numbers that say how much two images look the same."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def unit(gray: NDArray[np.float32]) -> NDArray[np.float32]:
    """Thumbnails (N, pixels) as vectors whose products are correlations."""
    gray = gray - gray.mean(1, keepdims=True)
    return gray / np.maximum(np.linalg.norm(gray, axis=1, keepdims=True), 1e-6)


def bits_set(values: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """How many bits of each value are set."""
    if hasattr(np, "bitwise_count"):
        return np.bitwise_count(values)
    return _BITS_OF_16[values.view(np.uint16)].reshape(*values.shape, 4).sum(-1, dtype=np.uint8)


_BITS_OF_16 = np.array([value.bit_count() for value in range(1 << 16)], np.uint8)
