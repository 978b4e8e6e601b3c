"""Random textures: value noise in space, fractal noise in the plane."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[np.floating[Any]]
Noise = Callable[..., Array]

LATTICE = 32


def value_noise(rng: np.random.Generator) -> Noise:
    """Smooth noise in space: a function of (x, y, z, frequency) with values from -1 to 1."""
    lattice = rng.uniform(-1, 1, LATTICE**3).astype(np.float32)

    def noise(x: Array, y: Array, z: Array, frequency: float = 1.0) -> Array:
        corners, fractions = [], []
        for coordinate in (x, y, z):
            scaled = coordinate * np.float32(frequency) + np.float32(500.0)
            whole = scaled.astype(np.int32)
            part = scaled - whole
            corners.append(whole)
            fractions.append(part * part * (3 - 2 * part))
        (i, j, k), (u, v, w) = corners, fractions
        m = LATTICE - 1
        i0, i1 = (i & m) * LATTICE**2, ((i + 1) & m) * LATTICE**2
        j0, j1 = (j & m) * LATTICE, ((j + 1) & m) * LATTICE
        k0, k1 = k & m, (k + 1) & m

        def edge(base: NDArray[np.int32]) -> Array:
            low = lattice[base + k0]
            return low + w * (lattice[base + k1] - low)

        near = edge(i0 + j0)
        near += v * (edge(i0 + j1) - near)
        far = edge(i1 + j0)
        far += v * (edge(i1 + j1) - far)
        return near + u * (far - near)

    return noise


def fractal(
    rng: np.random.Generator, size: int, cells: int = 3, octaves: int = 4, gain: float = 0.5
) -> Array:
    """A square of fractal noise with values about -1 to 1, shape (size, size)."""
    total = np.zeros((size, size), np.float32)
    amplitude = 1.0
    for _ in range(octaves):
        grid = rng.uniform(-1, 1, (min(cells, size), min(cells, size))).astype(np.float32)
        total += amplitude * enlarge(grid, size)
        amplitude *= gain
        cells *= 2
    return total


def enlarge(grid: Array, size: int) -> Array:
    """A (n, n) or (n, n, 3) grid as a smooth square of ``size`` pixels."""
    if grid.ndim == 3:
        return np.stack([enlarge(grid[..., c], size) for c in range(grid.shape[2])], axis=-1)
    image = Image.fromarray(np.ascontiguousarray(grid, dtype=np.float32))
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC))
