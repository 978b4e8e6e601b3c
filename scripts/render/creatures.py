"""Small animals that are no fish."""

from __future__ import annotations

import math

import numpy as np

from render.noise import Array, value_noise
from render.scene import Surface, Thing, colour, mix, pick, ramp, vary
from render.shapes import blend, capsule, ellipsoid


def ladybug(rng: np.random.Generator) -> Thing:
    """Seen from above: x to the head (-), y up from the leaf turned to the viewer by its pitch."""
    noise = value_noise(rng)
    red = vary(rng, pick(rng, [colour(205, 25, 20), colour(215, 60, 20), colour(180, 20, 25)]), 0.1)
    spots = [(-0.28, 0.0, 0.12)]
    for _ in range(int(rng.integers(2, 4))):
        spots.append((rng.uniform(-0.2, 0.62), rng.uniform(0.22, 0.42), rng.uniform(0.08, 0.14)))
    step = rng.uniform(-0.1, 0.1, 3)

    def shell(x: Array, y: Array, z: Array) -> Array:
        return np.maximum(ellipsoid(x - 0.12, y, z, 0.68, 0.5, 0.58), -y - 0.02)

    def head(x: Array, y: Array, z: Array) -> Array:
        chest = np.maximum(ellipsoid(x + 0.52, y + 0.02, z, 0.25, 0.3, 0.42), -y - 0.02)
        face = ellipsoid(x + 0.72, y - 0.03, z, 0.17, 0.17, 0.22)
        return blend(chest, face, 0.04)

    def legs(x: Array, y: Array, z: Array) -> Array:
        side = np.abs(z)
        d = capsule(x, y, side, (-0.8, 0.1, 0.1), (-1.0, 0.16, 0.22), 0.018, 0.03)
        for at, swing in zip((-0.42, -0.05, 0.3), step, strict=True):
            knee = (at * 1.25 + swing, 0.06, 0.66)
            d = np.minimum(d, capsule(x, y, side, (at, 0.02, 0.4), knee, 0.04, 0.03))
            d = np.minimum(
                d, capsule(x, y, side, knee, (knee[0] + 0.1 * np.sign(at + 0.2), -0.03, 0.8), 0.03, 0.02)
            )
        return d

    def distance(x: Array, y: Array, z: Array) -> Array:
        return np.minimum(np.minimum(shell(x, y, z), head(x, y, z)), legs(x, y, z))

    def paint(x: Array, y: Array, z: Array, n: Array) -> Surface:
        back = shell(x, y, z) < np.minimum(head(x, y, z), legs(x, y, z))
        base = red * (1 + 0.06 * noise(x, y, z, 6))[:, None]
        dark = ramp(np.abs(z), 0.014, 0.006)
        for a, b, r in spots:
            dark = np.maximum(dark, ramp(np.hypot(x - a, np.abs(z) - b), r, r - 0.025))
        base = mix(base, colour(14, 12, 12), dark)
        black = np.broadcast_to(colour(16, 14, 14), (len(x), 3))
        white = ramp(np.hypot((x + 0.55) * 1.1, np.abs(z) - 0.3), 0.13, 0.1)
        white = np.maximum(white, ramp(np.hypot(x + 0.82, np.abs(z) - 0.12), 0.05, 0.035))
        front = mix(black, colour(235, 230, 215), white * (head(x, y, z) < legs(x, y, z)))
        return Surface(np.where(back[:, None], base, front), shine=0.55, polish=90, soft=0.08)

    return Thing(
        distance,
        paint,
        1.02,
        yaw=(-180, 180),
        pitch=(25, 80),
        roll=(-30, 30),
        places=("leaf", "leaf", "foliage", "earth", "studio"),
        stands=False,
        step=0.85,
    )


def starfish(rng: np.random.Generator) -> Thing:
    """Flat in the x, z plane, y up, turned to the viewer by its pitch."""
    noise = value_noise(rng)
    slim, bump = rng.uniform(0.15, 0.24), rng.uniform(0.4, 1.0)
    skin = vary(
        rng,
        pick(
            rng,
            [
                colour(205, 95, 45),
                colour(190, 50, 40),
                colour(200, 160, 110),
                colour(130, 70, 110),
                colour(70, 90, 150),
                colour(225, 140, 70),
            ],
        ),
    )
    pale = vary(rng, colour(240, 215, 180), 0.08)
    curl = rng.uniform(-0.35, 0.35)
    fifth = 2 * math.pi / 5

    def arms(x: Array, z: Array) -> tuple[Array, Array]:
        """Coordinates along and across the nearest arm."""
        r = np.sqrt(x * x + z * z)
        angle = np.arctan2(z, x) + np.float32(curl) * r
        angle = angle - np.round(angle / fifth) * np.float32(fifth)
        return r * np.cos(angle), np.abs(r * np.sin(angle))

    def distance(x: Array, y: Array, z: Array) -> Array:
        u, v = arms(x, z)
        h = np.clip(u / 0.9, 0, 1)
        thick = slim * (1.25 - 0.95 * h)
        rod = np.sqrt(np.maximum(u - 0.9, 0) ** 2 + v * v + (y * 1.35) ** 2) - thick
        heart = np.sqrt(u * u + v * v + (y * 1.8) ** 2) - slim * 1.75
        return blend(rod, heart, 0.18) * np.float32(0.65)

    def relief(x: Array, y: Array, z: Array) -> Array:
        return bump * (0.03 * ramp(noise(x, y, z, 15), 0.1, 0.7) + 0.01 * noise(x, y, z, 29))

    def paint(x: Array, y: Array, z: Array, n: Array) -> Surface:
        u, v = arms(x, z)
        base = mix(skin, skin * 0.65, ramp(noise(x, y, z, 4), -0.2, 1))
        base = mix(base, pale, 0.75 * bump * ramp(noise(x, y, z, 15), 0.3, 0.65))
        base = mix(base, pale, 0.6 * ramp(v, 0.035, 0.01) * ramp(np.sin(u * 48), -0.4, 0.4))
        return Surface(base, shine=0.14, polish=20, soft=0.15)

    return Thing(
        distance,
        paint,
        1.08,
        yaw=(-180, 180),
        pitch=(38, 100),
        roll=(-30, 30),
        places=("earth", "earth", "sea", "water", "studio", "room"),
        stands=False,
        step=0.9,
        relief=relief,
        fill=(0.7, 1.05),
    )
