"""Made things: candle, teapot, traffic light, hot-air balloon."""

from __future__ import annotations

import numpy as np

from render.noise import Array, value_noise
from render.scene import Surface, Thing, colour, mix, pick, ramp, vary
from render.shapes import blend, capsule, curve, lathe, rounded_box, torus


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
        solid = np.maximum(body(x, y, z), y - pool) - 0.015
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
