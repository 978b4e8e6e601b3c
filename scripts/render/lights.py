"""Things that give light: candle, traffic light, lantern cut from a pumpkin."""

from __future__ import annotations

import numpy as np

from render.noise import Array, value_noise
from render.scene import Surface, Thing, colour, mix, pick, ramp, vary
from render.shapes import blend, capsule, curve, lathe, rounded_box, silhouette


def candle(rng: np.random.Generator) -> Thing:
    noise = value_noise(rng)
    wide, top = rng.uniform(0.17, 0.38), rng.uniform(0.15, 0.4)
    body = lathe(curve([-0.95, -0.5, top - 0.05, top], [wide * 1.03, wide, wide, wide * 0.93]), -0.95, top)
    drips = [(rng.uniform(0, 6.3), rng.uniform(0.2, 0.9)) for _ in range(int(rng.integers(0, 5)))]
    wax = vary(
        rng,
        pick(
            rng,
            [
                colour(240, 232, 210),
                colour(245, 240, 232),
                colour(180, 30, 35),
                colour(220, 170, 90),
                colour(90, 120, 90),
                colour(150, 110, 160),
            ],
        ),
    )
    tall = rng.uniform(0.3, 0.42)
    low = top + 0.04
    flame = lathe(
        curve(
            [low, low + 0.05, low + tall * 0.3, low + tall * 0.65, low + tall],
            [0.02, 0.065, 0.085, 0.05, 0.004],
        ),
        low,
        low + tall,
    )
    dish = rng.uniform() < 0.4
    metal = vary(rng, pick(rng, [colour(190, 150, 70), colour(150, 150, 155), colour(60, 55, 50)]))

    def wax_body(x: Array, y: Array, z: Array) -> Array:
        around = np.hypot(x, z)
        pool = top - 0.09 * ramp(around, wide, 0)
        solid: Array = np.maximum(body(x, y, z), y - pool) - 0.015
        for angle, length in drips:
            at = (np.cos(angle) * wide, np.sin(angle) * wide)
            drop = capsule(x, y, z, (at[0], top - 0.02, at[1]), (at[0], top - length, at[1]), 0.03, 0.045)
            solid = blend(solid, drop, 0.08)
        return solid

    def plate(x: Array, y: Array, z: Array) -> Array:
        around = np.hypot(x, z)
        return (
            np.maximum(
                np.abs(y + 0.9 - 0.5 * np.maximum(around - wide - 0.1, 0)) - 0.04, around - wide - 0.28
            )
            * 0.8
        )

    def distance(x: Array, y: Array, z: Array) -> Array:
        wick = capsule(x, y, z, (0, top - 0.1, 0), (0.015, low + 0.06, 0), 0.014, 0.012)
        d = np.minimum(
            np.minimum(wax_body(x, y, z) * np.float32(0.9), wick), flame(x, y, z) * np.float32(0.8)
        )
        return np.minimum(d, plate(x, y, z)) if dish else d

    def paint(x: Array, y: Array, z: Array, n: Array) -> Surface:
        burning = flame(x, y, z) < 0.012
        through = ramp(y, top - 0.75, top + 0.02)
        base = wax * (1 + 0.08 * noise(x, y, z, 5))[:, None]
        glow = mix(
            np.zeros(3, np.float32), (wax + 0.15) * np.array([0.75, 0.42, 0.14], np.float32), through**2 * 0.9
        )
        heat = (y - low) / tall
        fire = mix(
            np.array([0.25, 0.35, 0.9], np.float32),
            np.array([3.2, 2.3, 0.95], np.float32),
            ramp(heat, 0.0, 0.22),
        )
        fire = mix(fire, np.array([2.2, 1.1, 0.25], np.float32), ramp(heat, 0.6, 1))
        shine = np.full(len(x), 0.2, np.float32)
        if dish:
            tin = plate(x, y, z) < wax_body(x, y, z)
            base, glow = np.where(tin[:, None], metal, base), np.where(tin[:, None], 0, glow)
            shine = np.where(tin, 0.6, shine)
        wick = (np.hypot(x, z) < 0.035) & (y > top - 0.06) & ~burning
        base = np.where(wick[:, None], colour(20, 18, 18), base)
        return Surface(
            np.where(burning[:, None], 0, base),
            np.where(burning, 0, shine),
            30,
            glow=np.where(burning[:, None], fire, np.where(wick[:, None], 0, glow)),
            clear=np.where(burning, 0.25, 0),
            soft=0.35,
        )

    return Thing(
        distance,
        paint,
        1.0,
        pitch=(-6, 22),
        roll=(-4, 4),
        places=("room", "bokeh", "bokeh", "studio"),
        glare=(0.0, low + tall * 0.45, 0.0, (0.8, 0.45, 0.14), 0.55),
        fill=(0.7, 0.95),
    )


def traffic_light(rng: np.random.Generator) -> Thing:
    noise = value_noise(rng)
    case = vary(rng, pick(rng, [colour(28, 30, 30), colour(215, 165, 30), colour(45, 60, 48)]))
    lit = int(rng.integers(3))
    lamps = [(0.52, (255, 30, 20)), (0.0, (255, 175, 20)), (-0.52, (30, 225, 120))]
    board = rng.uniform() < 0.35
    pole = rng.uniform() < 0.7
    wide = rng.uniform(0.29, 0.33)

    def distance(x: Array, y: Array, z: Array) -> Array:
        box = rounded_box(x, y, z, wide, 0.84, 0.2, 0.07)
        row = y - np.clip(np.round(y / 0.52), -1, 1) * np.float32(0.52)
        ring = np.sqrt(x * x + row * row)
        dip = np.maximum(ring - 0.2, np.abs(z - 0.28) - 0.14)
        box = np.maximum(box, -dip)
        lens = np.sqrt(x * x + row * row + (z + 0.13) ** 2) - 0.36
        visor = np.maximum(
            np.maximum(np.abs(ring - 0.225) - 0.016, np.abs(z - 0.3) - 0.15), -row - 0.03 - 0.4 * (0.45 - z)
        )
        d = np.minimum(np.minimum(box, lens), visor)
        if board:
            d = np.minimum(d, rounded_box(x, y, z + 0.12, wide + 0.16, 1.0, 0.02, 0.015))
        if pole:
            d = np.minimum(d, np.maximum(np.hypot(x, z + 0.02) - 0.06, np.abs(y + 1.1) - 0.6))
        return d

    def paint(x: Array, y: Array, z: Array, n: Array) -> Surface:
        index = np.clip(1 - np.round(y / 0.52), 0, 2).astype(int)
        row = y - np.clip(np.round(y / 0.52), -1, 1) * np.float32(0.52)
        ring = np.hypot(x, row)
        lens = (ring < 0.205) & (z > 0.05) & (z < 0.25)
        tints = np.stack([colour(*c) for _, c in lamps])[index]
        on = (lens & (index == lit))[:, None]
        hatch = 0.75 + 0.25 * np.sin(x * 60) * np.sin(y * 60)
        base = np.broadcast_to(case, (len(x), 3)) * (1 + 0.15 * noise(x, y, z, 7))[:, None]
        if board:
            base = np.where(((np.abs(x) > wide + 0.005) & (z < 0))[:, None], colour(18, 18, 20), base)
        base = np.where(lens[:, None], tints * 0.28, base)
        glow = on * (tints + 0.06) * (2.2 * hatch * ramp(ring, 0.4, 0.02))[:, None]
        return Surface(base, np.where(lens, 0.5, 0.22), 40, glow=glow, soft=0.05)

    y_lit, tint = lamps[lit]
    glare = (0.0, y_lit, 0.2, tuple((colour(*tint) * 0.35).tolist()), 0.3)
    return Thing(
        distance,
        paint,
        1.1,
        yaw=(-50, 50),
        pitch=(-30, 8),
        roll=(-6, 6),
        places=("street", "street", "sky", "foliage", "bokeh"),
        stands=False,
        glare=glare,
        fill=(0.75, 1.05),
    )


def jack_o_lantern(rng: np.random.Generator) -> Thing:
    noise = value_noise(rng)
    tall = rng.uniform(0.72, 0.92)
    ribs = int(rng.integers(9, 13))
    skin = vary(rng, colour(225, 105, 15), 0.12)
    eye = rng.uniform(0.13, 0.19)
    tilt = rng.uniform(-0.08, 0.08)
    left = [(-0.36 - eye, 0.08), (-0.36 + eye, 0.08 + tilt), (-0.34, 0.08 + eye * 1.7)]
    nose = [(-0.08, -0.06), (0.08, -0.06), (0.0, 0.08)]
    low = rng.uniform(0.32, 0.42)
    mouth = [
        (-0.52, -0.12),
        (-0.3, -0.2),
        (-0.24, -0.12),
        (-0.14, -0.22),
        (0.02, -0.22),
        (0.1, -0.13),
        (0.18, -0.22),
        (0.32, -0.19),
        (0.52, -0.1),
        (0.36, -low),
        (0.14, -low - 0.08),
        (0.06, -low + 0.03),
        (-0.08, -low - 0.08),
        (-0.36, -low),
    ]
    face = silhouette([left, [(-a, b) for a, b in left], nose, mouth], smooth=0)
    lit = rng.uniform() < 0.8
    fire = np.array([1.0, 0.62, 0.14], np.float32) * rng.uniform(0.9, 2.0) * lit
    bend = rng.uniform(-0.2, 0.2)

    def shell(x: Array, y: Array, z: Array) -> Array:
        around = np.sqrt(x * x + z * z)
        h = y / np.float32(tall)
        r = np.sqrt(around * around + h * h)
        rib = np.abs(np.cos(np.arctan2(z, x) * (ribs / 2)))
        return (
            r
            - 0.86
            - 0.07 * (rib - 0.6) * np.clip(around * 1.4, 0, 1)
            + 0.22 * np.exp(-around * 5) * np.clip(np.abs(h) * 3, 0, 1)
        )

    def distance(x: Array, y: Array, z: Array) -> Array:
        outer = shell(x, y, z) * np.float32(0.75)
        cut = np.maximum(face(x, y), 0.35 - z)
        holed = np.maximum(outer, np.minimum(-cut, outer + 0.1))
        stem = capsule(x, y, z, (0, 0.5, 0), (bend, 0.98, 0.05), 0.12, 0.08)
        return np.minimum(holed, stem)

    def relief(x: Array, y: Array, z: Array) -> Array:
        return 0.01 * noise(x, y, z, 8)

    def paint(x: Array, y: Array, z: Array, n: Array) -> Surface:
        base = mix(skin, skin * 0.6, ramp(noise(x, y * 0.3, z, 6), 0, 1))
        inside = (face(x, y) < 0.012) & (z > 0.3) & (shell(x, y, z) < -0.02)
        deep = (shell(x, y, z) < -0.07) & inside
        stem = (y > 0.62) & (shell(x, y, z) > 0.0)
        base = np.where(stem[:, None], colour(105, 100, 50), base)
        base = np.where(inside[:, None], colour(235, 190, 90) * (1 if lit else 0.3), base)
        glow = inside[:, None] * fire * np.where(deep, 1.0, 0.35)[:, None]
        return Surface(base, shine=0.22, polish=25, glow=glow, soft=0.2)

    glare = (0.0, -0.05, 0.7, (0.35, 0.18, 0.03), 0.8) if lit else None
    return Thing(
        distance,
        paint,
        1.05,
        yaw=(-32, 32),
        pitch=(-8, 25),
        roll=(-8, 8),
        places=("bokeh", "earth", "foliage", "room", "studio"),
        step=0.8,
        relief=relief,
        glare=glare,
    )
