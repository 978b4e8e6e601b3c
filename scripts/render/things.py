"""Made things: teapot, hot-air balloon."""

from __future__ import annotations

import numpy as np

from render.noise import Array, value_noise
from render.scene import Surface, Thing, colour, mix, pick, ramp, vary
from render.shapes import blend, capsule, curve, lathe, rounded_box, torus


def teapot(rng: np.random.Generator) -> Thing:
    noise = value_noise(rng)
    wide, tall = rng.uniform(0.5, 0.6), rng.uniform(0.36, 0.5)
    profile = curve(
        [-tall, -tall * 0.92, -tall * 0.5, -0.05, tall * 0.6, tall * 0.95, tall],
        [wide * 0.6, wide * 0.66, wide * 0.93, wide, wide * 0.8, wide * 0.52, wide * 0.5],
    )
    body = lathe(profile, -tall, tall)
    lid_top = tall + rng.uniform(0.1, 0.18)
    lid = lathe(
        curve(
            [tall - 0.05, tall + 0.02, lid_top - 0.04, lid_top], [wide * 0.5, wide * 0.49, wide * 0.22, 0.03]
        ),
        tall - 0.05,
        lid_top,
    )
    lift, slim = rng.uniform(0.25, 0.45), rng.uniform(0.045, 0.07)
    over = rng.uniform() < 0.25  # the handle arches over the lid
    base = vary(
        rng,
        pick(
            rng,
            [
                colour(238, 236, 230),
                colour(40, 60, 110),
                colour(150, 40, 35),
                colour(60, 95, 75),
                colour(120, 75, 50),
                colour(55, 55, 60),
                colour(215, 190, 140),
                colour(165, 190, 200),
            ],
        ),
    )
    second = vary(
        rng,
        pick(rng, [colour(40, 70, 150), colour(190, 150, 60), colour(170, 50, 60), colour(240, 235, 225)]),
    )
    pattern = rng.choice(["plain", "plain", "bands", "blots"])
    metal = rng.uniform() < 0.2

    def distance(x: Array, y: Array, z: Array) -> Array:
        spout = capsule(x, y, z, (-wide * 0.75, -tall * 0.3, 0), (-wide - 0.22, lift * 0.6, 0), 0.13, 0.07)
        tip = capsule(x, y, z, (-wide - 0.22, lift * 0.6, 0), (-wide - 0.36, lift, 0), 0.07, 0.06)
        pot = blend(body(x, y, z) * np.float32(0.8), blend(spout, tip, 0.06), 0.1)
        if over:
            handle = torus(x, (y - tall * 0.7) * 0.85, z, wide * 0.9, slim) + 10 * np.maximum(
                tall * 0.6 - y, 0
            )
        else:
            handle = torus((x - wide * 1.0) * 0.9, y - 0.02, z, tall * 0.75, slim)
            handle = np.maximum(handle, -(x - wide * 0.6))
        knob = np.sqrt(x * x + (y - lid_top - 0.05) ** 2 + z * z) - 0.08
        top = np.minimum(lid(x, y, z) * np.float32(0.7), knob)
        return np.minimum(np.minimum(pot, handle * np.float32(0.8)), top) - 0.01

    def paint(x: Array, y: Array, z: Array, n: Array) -> Surface:
        skin = np.broadcast_to(base, (len(x), 3)) * (1 + 0.05 * noise(x, y, z, 4))[:, None]
        if pattern == "bands":
            skin = mix(skin, second, ramp(np.abs(np.sin(y * 9)), 0.3, 0.15))
        elif pattern == "blots":
            skin = mix(skin, second, ramp(noise(x, y, z, 4.5), 0.3, 0.38))
        line = ramp(np.abs(y - tall - 0.01), 0.02, 0.008) * ramp(np.hypot(x, z), wide * 0.6, wide * 0.55)
        skin = mix(skin, skin * 0.3, line)
        return Surface(skin * (0.5 if metal else 1), 0.9 if metal else 0.5, 90, soft=0.05)

    return Thing(
        distance,
        paint,
        1.02,
        yaw=(-55, 55) if rng.uniform() < 0.5 else (125, 235),
        pitch=(2, 30),
        roll=(-4, 4),
        places=("room", "room", "studio", "bokeh"),
        fill=(0.75, 1.05),
    )


def balloon(rng: np.random.Generator) -> Thing:
    noise = value_noise(rng)
    wide = rng.uniform(0.58, 0.68)
    profile = curve(
        [-0.42, -0.3, 0, 0.35, 0.65, 0.86, 0.95, 0.98],
        [0.1, 0.2, wide * 0.72, wide, wide * 0.85, wide * 0.5, wide * 0.25, 0.02],
    )
    bag = lathe(profile, -0.42, 0.98)
    gores = int(rng.choice([8, 12, 16, 20]))
    basket_y = rng.uniform(-0.86, -0.74)
    tints = [
        vary(rng, colour(*c), 0.1)
        for c in (
            (215, 35, 40),
            (245, 190, 40),
            (40, 80, 180),
            (235, 235, 235),
            (60, 150, 80),
            (240, 120, 30),
            (110, 50, 140),
            (60, 175, 200),
            (30, 30, 40),
        )
    ]
    chosen = [tints[i] for i in rng.choice(len(tints), int(rng.integers(2, 5)), replace=False)]
    pattern = rng.choice(["stripes", "stripes", "bands", "zigzag", "checks"])
    burner = rng.uniform() < 0.3

    def distance(x: Array, y: Array, z: Array) -> Array:
        bulge = 0.02 * np.abs(np.cos(np.arctan2(z, x) * (gores / 2))) * ramp(y, -0.4, 0)
        basket = rounded_box(x, y - basket_y, z, 0.1, 0.08, 0.1, 0.02)
        a, b = np.abs(x), np.abs(z)
        rope = capsule(a, y, b, (0.085, basket_y, 0.085), (0.08, -0.4, 0.06), 0.007, 0.007)
        return np.minimum(np.minimum(bag(x, y, z) - bulge, basket) * np.float32(0.8), rope)

    def paint(x: Array, y: Array, z: Array, n: Array) -> Surface:
        angle = np.arctan2(z, x) * np.float32(gores / 6.2832) + np.float32(500)
        if pattern == "bands":
            which = np.floor((y + 3) * 4.5)
        elif pattern == "zigzag":
            which = np.floor((y + 3) * 4 + 0.5 * np.abs((angle % 2) - 1))
        elif pattern == "checks":
            which = np.floor(angle) + np.floor((y + 3) * 5)
        else:
            which = np.floor(angle)
        base = np.stack(chosen)[which.astype(int) % len(chosen)]
        seam = np.abs(angle - np.round(angle))
        base = mix(base, base * 0.55, ramp(seam, 0.05, 0.02))
        base = base * (1 + 0.08 * noise(x, y, z, 5))[:, None]
        basket = y < -0.45
        weave = 0.75 + 0.25 * np.sin(x * 150 + z * 150) * np.sin(y * 150)
        base = np.where(basket[:, None], colour(130, 90, 50) * weave[:, None], base)
        warm = ramp(y, 0.4, -0.4) * (0.5 if burner else 0.08) * ~basket
        return Surface(base, 0.12, 20, glow=base * warm[:, None], soft=0.3)

    return Thing(
        distance,
        paint,
        1.0,
        pitch=(-38, 6),
        roll=(-6, 6),
        places=("sky", "sky", "sky", "foliage", "street"),
        stands=False,
        step=0.85,
        fill=(0.6, 0.98),
    )
