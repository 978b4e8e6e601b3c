"""Sphere tracing: where rays meet a thing, and what its surface is turned to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from render.noise import Array
from render.shapes import Distance

STEPS = 44
CLOSE = 0.004


def along(origin: Array, directions: Array, t: Array) -> tuple[Array, Array, Array]:
    """Points at distance t along rays; directions are (3, rays)."""
    return (
        origin[0] + directions[0] * t,
        origin[1] + directions[1] * t,
        origin[2] + directions[2] * t,
    )


def trace(
    distance: Distance, origin: Array, directions: Array, radius: float, step: float, pixel: float
) -> tuple[NDArray[np.int64], Array, Array]:
    """Rays that meet the thing or pass within a pixel of it.

    Args:
        directions: unit vectors, (3, rays).
        radius: of the sphere about the origin that holds the thing.
        pixel: width of a pixel at distance 1.

    Returns:
        their numbers, the distance along each, and how much of the pixel is covered (0 to 1).
    """
    towards = -(origin @ directions)
    miss = np.float32(origin @ origin) - towards * towards
    rays = np.flatnonzero(miss < radius * radius)
    half = np.sqrt(radius * radius - miss[rays])
    t, end = towards[rays] - half, towards[rays] + half
    best, best_t = np.full(len(rays), np.inf, np.float32), t.copy()
    active = np.arange(len(rays))
    d = directions[:, rays]
    now_t, now_d, now_end = t, d, end
    now_best, now_best_t = best.copy(), t.copy()
    for number in range(STEPS):
        reach = distance(*along(origin, now_d, now_t))
        ratio = reach / (now_t * pixel)
        better = ratio < now_best
        now_best = np.where(better, ratio, now_best)
        now_best_t = np.where(better, now_t, now_best_t)
        now_t = now_t + np.maximum(reach, CLOSE * 0.5) * step
        if number % 3 == 2 or number == STEPS - 1:
            going = (reach > CLOSE) & (now_t < now_end)
            best[active], best_t[active] = now_best, now_best_t
            active = active[going]
            if not len(active):
                break
            now_t, now_d, now_end = now_t[going], now_d[:, going], now_end[going]
            now_best, now_best_t = now_best[going], now_best_t[going]
    solid = best * best_t * pixel <= 2 * CLOSE
    cover = np.where(solid, 1, np.clip(1 - best, 0, 1)).astype(np.float32)
    seen = cover > 0
    return rays[seen], best_t[seen], cover[seen]


def normals(distance: Distance, x: Array, y: Array, z: Array, width: float = 0.006) -> Array:
    """Unit normals (3, points): differences over the corners of a tetrahedron."""
    total = np.zeros((3, len(x)), np.float32)
    for corner in ((1, -1, -1), (-1, -1, 1), (-1, 1, -1), (1, 1, 1)):
        a, b, c = (np.float32(width * s) for s in corner)
        value = distance(x + a, y + b, z + c)
        for axis in range(3):
            total[axis] += corner[axis] * value
    return total / np.maximum(np.sqrt((total * total).sum(0)), 1e-9)


def shadow(
    distance: Distance,
    x: Array,
    y: Array,
    z: Array,
    light: Array,
    reach: float,
    steps: int = 7,
    hard: float = 6.0,
) -> Array:
    """How much of a lamp is seen from points: 0 in full shadow, 1 in full light, soft between."""
    seen = np.ones(len(x), np.float32)
    t = np.full(len(x), 0.06, np.float32)
    for _ in range(steps):
        free = distance(x + light[0] * t, y + light[1] * t, z + light[2] * t)
        seen = np.minimum(seen, np.clip(hard * free / t + 0.15, 0, 1))
        t = t + np.clip(free, 0.05, reach / steps * 1.6)
    return seen


def openness(distance: Distance, x: Array, y: Array, z: Array, n: Array) -> Array:
    """How open to the sky points are, from the free room above them (ambient occlusion)."""
    total = np.zeros(len(x), np.float32)
    for step, weight in ((0.06, 0.6), (0.22, 0.4)):
        free = distance(x + n[0] * step, y + n[1] * step, z + n[2] * step)
        total += weight * np.clip(free / step, 0, 1)
    return np.float32(0.25) + np.float32(0.75) * total
