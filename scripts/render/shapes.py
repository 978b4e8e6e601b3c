"""Signed distances of simple solids, and ways to put them together. Points come as three arrays x, y, z."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from render.noise import Array

Distance = Callable[[Array, Array, Array], Array]
Curve = Callable[[Array], Array]
Curve2 = Callable[[Array, Array], Array]

SAMPLES = 512


def blend(a: Array, b: Array, radius: float) -> Array:
    """Smooth union (polynomial smooth minimum after I. Quilez)."""
    h = np.maximum(radius - np.abs(a - b), 0) / radius
    return np.minimum(a, b) - h * h * (radius * 0.25)


def curve(xs: Sequence[float], ys: Sequence[float]) -> Curve:
    """A smooth function through the points (xs increasing), constant outside.

    Monotone cubic interpolation (Fritsch and Carlson, 1980, with the harmonic mean of neighbouring slopes).
    """
    x, y = np.asarray(xs, float), np.asarray(ys, float)
    secant = np.diff(y) / np.diff(x)
    before, after = secant[:-1], secant[1:]
    inner = np.where(
        before * after > 0, 2 * before * after / np.where(before + after == 0, 1, before + after), 0
    )
    slope = np.concatenate([secant[:1], inner, secant[-1:]])
    at = np.linspace(x[0], x[-1], SAMPLES)
    piece = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)
    width = np.diff(x)[piece]
    t = (at - x[piece]) / width
    smooth = (1 + 2 * t) * (1 - t) ** 2 * y[piece] + t * t * (3 - 2 * t) * y[piece + 1]
    smooth += width * t * (1 - t) * ((1 - t) * slope[piece] - t * slope[piece + 1])
    table = np.append(smooth, smooth[-1]).astype(np.float32)
    start, scale = np.float32(x[0]), np.float32((SAMPLES - 1) / (x[-1] - x[0]))

    def value(at: Array) -> Array:
        position = np.clip((at - start) * scale, 0, SAMPLES - np.float32(1.001))
        whole = position.astype(np.int32)
        low = table[whole]
        return low + (position - whole) * (table[whole + 1] - low)

    return value


def lathe(profile: Curve, bottom: float, top: float) -> Distance:
    """A surface of revolution about y: ``profile`` gives the radius at each height."""
    middle, half = (bottom + top) / 2, (top - bottom) / 2

    def distance(x: Array, y: Array, z: Array) -> Array:
        around = np.sqrt(x * x + z * z) - profile(y)
        return np.maximum(around, np.abs(y - middle) - half)

    return distance


def ellipsoid(x: Array, y: Array, z: Array, rx: float, ry: float, rz: float) -> Array:
    """Ellipsoid about the origin (approximation after I. Quilez)."""
    a, b, c = x / rx, y / ry, z / rz
    k0 = np.sqrt(a * a + b * b + c * c)
    a, b, c = a / rx, b / ry, c / rz
    k1 = np.sqrt(a * a + b * b + c * c)
    return k0 * (k0 - 1) / (k1 + np.float32(1e-6))


def capsule(
    x: Array, y: Array, z: Array, a: Sequence[float], b: Sequence[float], ra: float, rb: float
) -> Array:
    """A rod from a to b whose radius goes from ``ra`` to ``rb``."""
    bx, by, bz = (b[i] - a[i] for i in range(3))
    px, py, pz = x - np.float32(a[0]), y - np.float32(a[1]), z - np.float32(a[2])
    h = np.clip((px * bx + py * by + pz * bz) / (bx * bx + by * by + bz * bz), 0, 1).astype(np.float32)
    px, py, pz = px - h * bx, py - h * by, pz - h * bz
    return np.sqrt(px * px + py * py + pz * pz) - (ra + (rb - ra) * h)


def rounded_box(x: Array, y: Array, z: Array, rx: float, ry: float, rz: float, radius: float) -> Array:
    a, b, c = np.abs(x) - (rx - radius), np.abs(y) - (ry - radius), np.abs(z) - (rz - radius)
    outside = np.sqrt(np.maximum(a, 0) ** 2 + np.maximum(b, 0) ** 2 + np.maximum(c, 0) ** 2)
    return outside + np.minimum(np.maximum(a, np.maximum(b, c)), 0) - radius


def torus(x: Array, y: Array, z: Array, radius: float, thickness: float) -> Array:
    """A ring in the x, y plane."""
    around = np.sqrt(x * x + y * y) - radius
    return np.sqrt(around * around + z * z) - thickness


def silhouette(polygons: Sequence[Sequence[tuple[float, float]]], smooth: int = 2) -> Curve2:
    """Signed distance to the union of polygons in the plane, from a table over -1.3 to 1.3.

    Corners are rounded off ``smooth`` times (Chaikin's corner cutting).
    """
    n, reach = 112, 1.3
    axis = np.linspace(-reach, reach, n, dtype=np.float32)
    px, py = np.meshgrid(axis, axis)
    table = np.full((n, n), np.inf, np.float32)
    for polygon in polygons:
        table = np.minimum(table, _polygon_distance(px, py, _cut_corners(polygon, smooth)))
    flat = table.ravel()
    scale = np.float32((n - 1) / (2 * reach))

    def distance(x: Array, y: Array) -> Array:
        u = np.clip((x + np.float32(reach)) * scale, 0, n - 1.001)
        v = np.clip((y + np.float32(reach)) * scale, 0, n - 1.001)
        i, j = u.astype(np.int32), v.astype(np.int32)
        u, v = u - i, v - j
        base = j * n + i
        low = flat[base] + u * (flat[base + 1] - flat[base])
        high = flat[base + n] + u * (flat[base + n + 1] - flat[base + n])
        return low + v * (high - low)

    return distance


def _cut_corners(polygon: Sequence[tuple[float, float]], times: int) -> Array:
    points = np.asarray(polygon, np.float32)
    for _ in range(times):
        after = np.roll(points, -1, axis=0)
        points = np.stack([0.75 * points + 0.25 * after, 0.25 * points + 0.75 * after], 1).reshape(-1, 2)
    return points


def _polygon_distance(px: Array, py: Array, points: Array) -> Array:
    """Signed distance to one polygon (after I. Quilez), negative inside."""
    best = np.full(px.shape, np.inf, np.float32)
    inside = np.zeros(px.shape, bool)
    for (ax, ay), (bx, by) in zip(points, np.roll(points, -1, axis=0), strict=True):
        ex, ey = bx - ax, by - ay
        wx, wy = px - ax, py - ay
        h = np.clip((wx * ex + wy * ey) / (ex * ex + ey * ey + 1e-9), 0, 1)
        best = np.minimum(best, (wx - h * ex) ** 2 + (wy - h * ey) ** 2)
        crossing = (ay > py) != (by > py)
        inside ^= crossing & (px < ex * (py - ay) / (ey if ey else 1e-9) + ax)
    return np.where(inside, -np.sqrt(best), np.sqrt(best)).astype(np.float32)
