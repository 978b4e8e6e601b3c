"""Fruit and a mushroom."""

from __future__ import annotations

import numpy as np

from render.noise import Array, value_noise
from render.scene import Surface, Thing, colour, mix, pick, ramp, vary
from render.shapes import capsule, curve, lathe


def orange(rng: np.random.Generator) -> Thing:
    noise = value_noise(rng)
    flat = rng.uniform(0.9, 1.02)
    skin = vary(rng, colour(240, 130, 15), 0.12)
    green = rng.uniform(0, 0.35) if rng.uniform() < 0.4 else 0.0

    def distance(x: Array, y: Array, z: Array) -> Array:
        around = x * x + z * z
        return np.sqrt(around + (y / flat) ** 2) - 0.9 + 0.07 * np.exp(-around * 18) * (y > 0)

    def relief(x: Array, y: Array, z: Array) -> Array:
        return 0.006 * noise(x, y, z, 19) + 0.012 * noise(x, y, z, 4)

    def paint(x: Array, y: Array, z: Array, n: Array) -> Surface:
        pores = noise(x, y, z, 19)
        base = mix(skin, skin * 0.72, ramp(-pores, 0.1, 0.8) * 0.6)
        base = mix(base, colour(120, 140, 30), green * ramp(noise(x, y, z, 1.6), 0, 0.7))
        around = np.hypot(x, z)
        base = mix(base, colour(90, 95, 40), ramp(around, 0.085, 0.05) * (y > 0))
        return Surface(base, shine=0.28, polish=22, soft=0.3)

    return Thing(distance, paint, 0.95, pitch=(-60, 80), roll=(-40, 40), relief=relief)


def lemon(rng: np.random.Generator) -> Thing:
    noise = value_noise(rng)
    fat = rng.uniform(0.56, 0.68)
    tip = rng.uniform(0.1, 0.17)
    profile = curve(
        [-1, -0.93, -0.8, -0.6, -0.25, 0, 0.25, 0.6, 0.75, 0.9, 1.0],
        [0.03, tip, 0.2, 0.42 * fat / 0.6, fat * 0.95, fat, fat * 0.95, 0.42 * fat / 0.6, 0.25, tip, 0.02],
    )
    skin = vary(rng, colour(245, 215, 40), 0.08)
    body = lathe(profile, -1, 1)

    def distance(x: Array, y: Array, z: Array) -> Array:
        return body(x, y, z) * np.float32(0.8)

    def relief(x: Array, y: Array, z: Array) -> Array:
        return 0.007 * noise(x, y, z, 16) + 0.015 * noise(x, y, z, 4)

    def paint(x: Array, y: Array, z: Array, n: Array) -> Surface:
        base = mix(skin, skin * 0.7, ramp(-noise(x, y, z, 16), 0.1, 0.8) * 0.5)
        base = mix(
            base, colour(150, 165, 40), 0.5 * ramp(np.abs(y), 0.72, 1.0) * ramp(noise(x, y, z, 2), -0.5, 0.5)
        )
        base = mix(base, colour(110, 85, 40), ramp(y, 0.95, 0.99))
        return Surface(base, shine=0.3, polish=28, soft=0.3)

    return Thing(
        distance, paint, 1.02, yaw=(-180, 180), pitch=(-25, 25), roll=(40, 140), step=0.8, relief=relief
    )


def banana(rng: np.random.Generator) -> Thing:
    noise = value_noise(rng)
    bend, thick = rng.uniform(0.95, 1.35), rng.uniform(0.15, 0.2)
    radius = 0.92 / np.sin(min(bend, 1.5))
    taper = curve(
        [-1.12, -1.02, -0.9, -0.5, 0, 0.5, 0.82, 0.96, 1.12, 1.3],
        [0.25, 0.4, 0.62, 0.94, 1, 0.94, 0.66, 0.32, 0.24, 0.3],
    )
    ripe = rng.uniform()
    skin = vary(
        rng, mix(colour(190, 195, 60), colour(245, 205, 50), np.float32(ramp(np.float32(ripe), 0, 0.4))), 0.07
    )
    spots = ramp(np.float32(ripe), 0.55, 1.0)
    lift = radius * (1 + np.cos(bend)) / 2

    def place(x: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
        down = y - np.float32(lift)
        along = np.arctan2(x, -down) / np.float32(bend)
        return along, np.hypot(x, down) - np.float32(radius), z

    def distance(x: Array, y: Array, z: Array) -> Array:
        along, a, b = place(x, y, z)
        ring = np.hypot(a, b)
        angle = np.arctan2(b, a)
        edges = 1 + 0.05 * np.cos(5 * angle)
        over = np.maximum(np.abs(along - np.float32(0.08)) - np.float32(1.18), 0) * np.float32(radius * bend)
        return np.hypot(np.maximum(ring - thick * edges * taper(along), 0), over) + np.minimum(
            ring - thick * edges * taper(along), 0
        ) * (over <= 0)

    def paint(x: Array, y: Array, z: Array, n: Array) -> Surface:
        along, a, b = place(x, y, z)
        base = mix(skin, skin * 0.75, 0.35 * ramp(np.cos(5 * np.arctan2(b, a)), 0.85, 1))
        base = mix(base, colour(140, 165, 60), 0.7 * ramp(np.abs(along), 0.8, 1.05) * (1 - 0.6 * ripe))
        base = mix(
            base, colour(85, 55, 25), spots * ramp(noise(x, y, z, 9) + 0.3 * noise(x, y, z, 23), 0.3, 0.5)
        )
        base = mix(base, colour(50, 38, 22), np.maximum(ramp(along, -1.02, -1.09), ramp(along, 1.17, 1.25)))
        return Surface(base, shine=0.16, polish=16, soft=0.3)

    return Thing(
        distance, paint, 1.05, yaw=(-50, 50), pitch=(-35, 60), roll=(-180, 180), step=0.75, fill=(0.75, 1.0)
    )


def granny_smith(rng: np.random.Generator) -> Thing:
    noise = value_noise(rng)
    tall, lean = rng.uniform(0.88, 1.0), rng.uniform(-0.18, 0.18)
    skin = vary(rng, colour(130, 185, 45), 0.1)
    pale = vary(rng, colour(185, 210, 90), 0.08)

    def distance(x: Array, y: Array, z: Array) -> Array:
        around = np.sqrt(x * x + z * z)
        h = y / np.float32(tall)
        r = np.sqrt(around * around + h * h) + np.float32(1e-6)
        up = h / r
        fruit = r - 0.84 * (1 - 0.09 * up) - 0.03 * np.cos(5 * np.arctan2(z, x)) * np.clip(-up, 0, 1) ** 2
        fruit = (
            fruit
            + 0.30 * np.exp(-around * 5.2) * ramp(up, 0, 0.5)
            + 0.12 * np.exp(-around * 7) * ramp(up, 0, -0.5)
        )
        stem = capsule(x, y, z, (0, 0.45, 0), (lean, 0.98, 0.03), 0.035, 0.045)
        return np.minimum(fruit * np.float32(0.75), stem)

    def paint(x: Array, y: Array, z: Array, n: Array) -> Surface:
        around = np.hypot(x, z)
        blush = noise(x, y, z, 1.5) + 0.4 * noise(np.arctan2(z, x) * 6, y * 1.5, z * 0, 2)
        base = mix(skin, pale, ramp(blush, -0.3, 0.9))
        base = mix(base, colour(225, 232, 170), 0.8 * ramp(noise(x, y, z, 21), 0.62, 0.75))
        base = mix(base, colour(150, 140, 70), 0.6 * ramp(around, 0.22, 0.05) * (y > 0))
        stem = (np.hypot(x - lean * np.clip((y - 0.45) / 0.53, 0, 1), z) < 0.065) & (y > 0.5)
        base = np.where(stem[:, None], colour(95, 68, 38), base)
        return Surface(base, shine=0.5 * (1 - 0.9 * stem), polish=70, soft=0.22)

    return Thing(distance, paint, 1.0, pitch=(-15, 45), roll=(-25, 25), step=0.8)


def strawberry(rng: np.random.Generator) -> Thing:
    noise = value_noise(rng)
    fat = rng.uniform(0.6, 0.74)
    profile = curve(
        [-0.98, -0.93, -0.8, -0.4, 0.1, 0.38, 0.55, 0.62],
        [0.02, 0.13, 0.28, 0.62 * fat / 0.7, fat, fat * 0.88, fat * 0.45, 0.03],
    )
    body = lathe(profile, -0.98, 0.62)
    red = vary(rng, colour(205, 20, 25), 0.12)
    leaves, turn = int(rng.integers(6, 10)), rng.uniform(0, 6)
    rows = 13.5

    def seeds(x: Array, y: Array, z: Array) -> Array:
        """1 at the seeds, which lie on crossing rows, 0 between them."""
        row = y * np.float32(rows * 0.62)
        whole = np.round(row)
        angle = np.arctan2(z, x) * np.float32(rows / 6.2832) + 0.5 * whole
        a = (angle - np.round(angle)) * np.hypot(x, z) * np.float32(6.2832 / rows)
        b = (row - whole) / np.float32(rows * 0.62)
        return ramp(np.hypot(a * 1.5, b), 0.065, 0.03)

    def crown(x: Array, y: Array, z: Array) -> Array:
        around = np.hypot(x, z)
        reach = 0.34 + 0.3 * np.cos(np.arctan2(z, x) * leaves + turn)
        drape = np.abs(y - 0.66 + 0.55 * around * around - 0.1 * np.sin(around * 9)) - 0.018
        plate = np.maximum(drape, (around - reach) * 0.6)
        return np.minimum(plate, capsule(x, y, z, (0, 0.6, 0), (0.05, 0.9, 0), 0.045, 0.035))

    def distance(x: Array, y: Array, z: Array) -> Array:
        return np.minimum(body(x, y, z) * np.float32(0.75), crown(x, y, z) * np.float32(0.6))

    def relief(x: Array, y: Array, z: Array) -> Array:
        return -0.035 * seeds(x, y, z)

    def paint(x: Array, y: Array, z: Array, n: Array) -> Surface:
        base = mix(red, red * 0.6 + colour(90, 10, 5), ramp(noise(x, y, z, 2), 0, 1))
        base = mix(base, colour(235, 190, 150), 0.55 * ramp(y, 0.3, 0.6) * ramp(noise(x, y, z, 3), -0.6, 0.6))
        base = mix(base, colour(225, 185, 90), ramp(seeds(x, y, z), 0.55, 0.9))
        leafy = crown(x, y, z) < body(x, y, z) * 0.75 + 0.004
        green = colour(80, 130, 45) * (1 + 0.4 * noise(x, y, z, 7))[:, None]
        base = np.where(leafy[:, None], green, base)
        return Surface(base, shine=np.where(leafy, 0.12, 0.5), polish=45, soft=0.2)

    return Thing(distance, paint, 1.02, pitch=(-40, 35), roll=(-100, 100), step=0.85, relief=relief)


def mushroom(rng: np.random.Generator) -> Thing:
    noise = value_noise(rng)
    wide, low = rng.uniform(0.62, 0.95), rng.uniform(0.35, 0.6)
    stalk = rng.uniform(0.13, 0.24)
    rim = 0.12
    cap_profile = curve(
        [rim - 0.1, rim, rim + low * 0.35, rim + low * 0.75, rim + low * 0.93, rim + low],
        [wide * 0.9, wide, wide * 0.9, wide * 0.55, wide * 0.28, 0.02],
    )
    dome = lathe(cap_profile, rim - 0.1, rim + low)
    foot = curve([-0.85, -0.75, -0.4, 0.25], [stalk * 1.5, stalk * 1.4, stalk, stalk * 0.95])
    stem_body = lathe(foot, -0.85, 0.25)
    skin = vary(
        rng,
        pick(rng, [colour(150, 100, 60), colour(232, 222, 205), colour(190, 150, 105), colour(115, 75, 50)]),
    )
    flesh = vary(rng, colour(228, 216, 195), 0.06)
    lean = rng.uniform(-0.12, 0.12)

    def hollow(x: Array, y: Array, z: Array) -> Array:
        return np.sqrt(x * x + z * z + ((y - rim + 0.14) * 3.0) ** 2) - wide * 0.82

    def cap(x: Array, y: Array, z: Array) -> Array:
        return np.maximum(dome(x, y, z) * np.float32(0.7), -hollow(x, y, z) * np.float32(0.33)) - 0.03

    def distance(x: Array, y: Array, z: Array) -> Array:
        shifted = x - lean * (y + 0.8) * (y + 0.8)
        return np.minimum(cap(shifted, y, z), stem_body(shifted, y, z) * np.float32(0.85))

    def relief(x: Array, y: Array, z: Array) -> Array:
        return 0.012 * noise(x, y * 0.5, z, 6) + 0.006 * noise(x, y * 0.3, z, 17)

    def paint(x: Array, y: Array, z: Array, n: Array) -> Surface:
        shifted = x - lean * (y + 0.8) * (y + 0.8)
        around = np.hypot(shifted, z)
        top = (cap(shifted, y, z) < stem_body(shifted, y, z) * 0.85) & (n[1] > -0.35)
        gill = (around > stalk * 1.1) & ~top & (y > -0.2)
        base = mix(skin, skin * 0.6, ramp(noise(x, y, z, 3) + 0.6 * noise(x, y, z, 11), -0.2, 1.2))
        base = mix(base, skin * 0.55, 0.6 * ramp(around, 0.3, 0.0))
        under = mix(flesh * 0.62, flesh * 0.3, ramp(np.sin(np.arctan2(z, shifted) * 42), -0.3, 0.8))
        stalk_colour = mix(flesh, flesh * 0.6, ramp(noise(x * 5, y, z * 5, 3), 0, 1))
        stalk_colour = mix(stalk_colour, colour(80, 62, 40), ramp(y, -0.6, -0.95) * 0.8)
        base = np.where(top[:, None], base, np.where(gill[:, None], under, stalk_colour))
        return Surface(base, shine=np.where(top, 0.16, 0.04), polish=18, soft=0.25)

    return Thing(
        distance,
        paint,
        1.05,
        pitch=(-12, 32),
        roll=(-14, 14),
        places=("foliage", "earth", "earth", "bokeh", "studio"),
        relief=relief,
    )
