"""Balls: all are spheres; what tells them apart is the surface."""

from __future__ import annotations

import math

import numpy as np

from render.noise import Array, value_noise
from render.scene import Paint, Surface, Thing, colour, mix, pick, ramp, vary
from render.shapes import Distance

RADIUS = 0.9


def _sphere(x: Array, y: Array, z: Array) -> Array:
    return np.sqrt(x * x + y * y + z * z) - np.float32(RADIUS)


def _ball(paint: Paint, relief: Distance, places: tuple[str, ...] = ()) -> Thing:
    return Thing(
        _sphere,
        paint,
        RADIUS + 0.02,
        pitch=(-90, 90),
        roll=(-180, 180),
        relief=relief,
        step=1.0,
        places=(*places, "studio", "room", "bokeh", "foliage"),
    )


def basketball(rng: np.random.Generator) -> Thing:
    noise = value_noise(rng)
    skin = vary(rng, pick(rng, [colour(205, 95, 35), colour(185, 80, 35), colour(215, 115, 50)]), 0.1)
    width = rng.uniform(0.022, 0.034)

    def seams(x: Array, y: Array, z: Array) -> Array:
        bow = np.abs(np.abs(x) - 0.36 - 0.42 * z * z / (RADIUS * RADIUS)) * 0.8
        return ramp(np.minimum(np.minimum(np.abs(x), np.abs(y)), bow), width * 1.3, width * 0.7)

    def relief(x: Array, y: Array, z: Array) -> Array:
        return 0.006 * noise(x, y, z, 31) - 0.03 * seams(x, y, z)

    def paint(x: Array, y: Array, z: Array, n: Array) -> Surface:
        worn = noise(x, y, z, 2)
        base = mix(skin, skin * 0.65, ramp(noise(x, y, z, 31), 0.1, 0.8) * 0.7 + 0.25 * ramp(worn, 0, 1))
        black = seams(x, y, z)
        return Surface(mix(base, colour(22, 18, 18), black), shine=0.14, polish=14, soft=0.08)

    return _ball(paint, relief, ("room", "street"))


def tennis_ball(rng: np.random.Generator) -> Thing:
    noise = value_noise(rng)
    felt = vary(rng, colour(200, 225, 50), 0.08)
    width = rng.uniform(0.05, 0.075)

    def seam(x: Array, y: Array, z: Array) -> Array:
        f = z / RADIUS - 3 * x * y / RADIUS**2
        slope = np.sqrt(1 + 9 * (x * x + y * y) / RADIUS**2)
        return ramp(np.abs(f) / slope, width * 1.15, width * 0.85)

    def relief(x: Array, y: Array, z: Array) -> Array:
        return 0.012 * noise(x, y, z, 24) + 0.009 * noise(x, y, z, 11) - 0.03 * seam(x, y, z)

    def paint(x: Array, y: Array, z: Array, n: Array) -> Surface:
        fuzz = noise(x, y, z, 37) + noise(x, y, z, 13)
        base = felt * (0.9 + 0.18 * fuzz)[:, None]
        return Surface(mix(base, colour(235, 235, 225), seam(x, y, z)), shine=0.02, polish=8, soft=0.35)

    return _ball(paint, relief, ("street", "earth"))


def soccer_ball(rng: np.random.Generator) -> Thing:
    noise = value_noise(rng)
    centres, heights = _football_faces()
    white = vary(rng, colour(235, 235, 230), 0.04)
    dark = vary(
        rng, pick(rng, [colour(25, 25, 28), colour(25, 25, 28), colour(25, 40, 110), colour(150, 25, 30)])
    )
    dirt = rng.uniform(0, 0.6)

    def faces(x: Array, y: Array, z: Array) -> tuple[Array, Array]:
        """Which points lie in pentagons, and how near they are to a seam (1 on it)."""
        r = np.sqrt(x * x + y * y + z * z)
        towards = (centres / heights[:, None]) @ np.stack([x / r, y / r, z / r])
        pent, hexa = towards[:12].max(0), towards[12:]
        pair = -np.partition(-hexa, 1, axis=0)[:2]
        best = np.maximum(pent, pair[0])
        second = np.maximum(np.minimum(pent, pair[0]), pair[1])
        return pent > pair[0], ramp((best - second) * RADIUS, 0.045, 0.012)

    def relief(x: Array, y: Array, z: Array) -> Array:
        return -0.03 * faces(x, y, z)[1]

    def paint(x: Array, y: Array, z: Array, n: Array) -> Surface:
        pentagon, seam = faces(x, y, z)
        base = np.where(pentagon[:, None], dark, white)
        base = mix(base, base * 0.35, seam)
        base = mix(
            base, colour(110, 90, 60), dirt * ramp(noise(x, y, z, 2) + 0.5 * noise(x, y, z, 9), 0.1, 1.0)
        )
        return Surface(base, shine=0.3, polish=45, soft=0.08)

    return _ball(paint, relief, ("foliage", "street"))


def _football_faces() -> tuple[Array, Array]:
    """Directions to the 32 faces of a truncated icosahedron (pentagons first) and the faces' distances."""
    golden = (1 + math.sqrt(5)) / 2
    corners = [p for a in (-1, 1) for b in (-golden, golden) for p in ((0, a, b), (a, b, 0), (b, 0, a))]
    points = np.array(corners, np.float32)
    middles = [
        points[i] + points[j] + points[k]
        for i in range(12)
        for j in range(i)
        for k in range(j)
        if max(np.linalg.norm(points[a] - points[b]) for a, b in ((i, j), (j, k), (i, k))) < 2.1
    ]
    faces = np.concatenate([points, np.array(middles, np.float32)])
    faces /= np.linalg.norm(faces, axis=1, keepdims=True)
    return faces, np.array([2.327] * 12 + [2.267] * 20, np.float32)
