"""Fish that are no goldfish."""

from __future__ import annotations

import numpy as np

from render.fish_body import Body, eye, fin_rays, fish, gill, scales, swim
from render.noise import Array, value_noise
from render.scene import Surface, Thing, colour, mix, pick, ramp, vary
from render.shapes import curve, silhouette


def great_white_shark(rng: np.random.Generator) -> Thing:
    noise = value_noise(rng)
    d = rng.uniform(0.17, 0.22)
    top = curve(
        [-1.0, -0.95, -0.75, -0.35, 0.1, 0.5, 0.76], [0.02, 0.06, d * 0.7, d, d * 0.85, d * 0.4, 0.04]
    )
    bottom = curve(
        [-1.0, -0.93, -0.78, -0.35, 0.1, 0.5, 0.76], [0.02, 0.05, d * 0.5, d * 1.05, d * 0.85, d * 0.35, 0.04]
    )
    width = curve(
        [-1.0, -0.93, -0.7, -0.3, 0.2, 0.6, 0.76], [0.02, 0.06, d * 0.85, d, d * 0.75, d * 0.3, 0.04]
    )
    tail = [
        (0.68, 0.0),
        (0.82, 0.22),
        (0.98, 0.42),
        (1.02, 0.4),
        (0.92, 0.1),
        (0.88, 0.0),
        (0.94, -0.22),
        (0.92, -0.27),
        (0.8, -0.12),
    ]
    back = [(-0.25, d * 0.8), (-0.06, d + 0.3), (0.02, d + 0.31), (0.04, d + 0.1), (0.12, d * 0.7)]
    second = [(0.46, d * 0.3), (0.53, d * 0.45 + 0.07), (0.57, d * 0.3)]
    anal = [(0.48, -d * 0.25), (0.55, -d * 0.4 - 0.07), (0.58, -d * 0.2)]
    body = Body(
        top,
        bottom,
        width,
        -1.0,
        0.76,
        silhouette([tail, back, second, anal], 1),
        swim(rng, 0.3),
        (-0.38, -d * 0.65, 0.46, rng.uniform(0.6, 1.0)),
        0.02,
    )
    grey = vary(rng, pick(rng, [colour(95, 108, 120), colour(85, 92, 98), colour(110, 115, 112)]), 0.12)

    def paint(x: Array, y: Array, z: Array, n: Array) -> Surface:
        edge = y + 0.35 * d + 0.02 * noise(x, y, z, 9) + 0.012 * noise(x, y, z, 21)
        fin = ramp(body.flesh(x, y, z), 0.01, 0.03)
        base = mix(colour(228, 230, 228), grey, np.maximum(ramp(edge, -0.02, 0.02), fin * (y > -d * 1.4)))
        base = base * (1 + 0.15 * noise(x, y, z, 6))[:, None]
        slits = ramp(np.abs(np.sin((x - 0.12 * y) * 62)), 0.35, 0.1) * ramp(np.abs(x + 0.5), 0.14, 0.12)
        base = mix(base, base * 0.3, slits * ramp(np.abs(y + 0.01), d * 0.55, d * 0.45) * (1 - fin))
        mouth = ramp(np.abs(y + d * 0.42 - 0.25 * (x + 0.85)), 0.02, 0.008) * ramp(
            np.abs(x + 0.83), 0.13, 0.11
        )
        base = mix(base, colour(60, 25, 25), mouth)
        surface = Surface(base, 0.16, 20, soft=0.15)
        eye(surface, x, y, (-0.83, d * 0.16), 0.03, colour(15, 15, 18), np.full(len(x), 0.16, np.float32))
        return surface

    return fish(rng, body, paint, None, ("sea", "sea", "sea", "water"), 1.06)


def coho(rng: np.random.Generator) -> Thing:
    noise = value_noise(rng)
    d = rng.uniform(0.18, 0.24)
    top = curve(
        [-0.98, -0.94, -0.75, -0.3, 0.15, 0.5, 0.68], [0.02, 0.05, d * 0.7, d, d * 0.85, d * 0.38, d * 0.4]
    )
    bottom = curve(
        [-0.98, -0.92, -0.75, -0.25, 0.15, 0.5, 0.68],
        [0.02, 0.06, d * 0.75, d * 1.08, d * 0.9, d * 0.38, d * 0.4],
    )
    width = curve([-0.98, -0.9, -0.6, -0.2, 0.3, 0.68], [0.02, 0.05, d * 0.55, d * 0.62, d * 0.42, 0.03])
    tail = [
        (0.6, 0.06),
        (0.78, 0.14),
        (0.99, 0.27),
        (1.0, 0.22),
        (0.92, 0.0),
        (1.0, -0.22),
        (0.99, -0.27),
        (0.78, -0.14),
        (0.6, -0.06),
    ]
    back = [(-0.12, d * 0.7), (-0.06, d + 0.17), (0.0, d + 0.17), (0.2, d * 0.8 + 0.03), (0.2, d * 0.5)]
    adipose = [(0.42, d * 0.35), (0.49, d * 0.5 + 0.07), (0.54, d * 0.4 + 0.05), (0.52, d * 0.3)]
    belly = [(0.0, -d * 0.8), (0.06, -d - 0.1), (0.13, -d - 0.07), (0.1, -d * 0.7)]
    anal = [(0.32, -d * 0.5), (0.37, -d * 0.6 - 0.13), (0.5, -d * 0.4 - 0.04), (0.52, -d * 0.3)]
    body = Body(
        top,
        bottom,
        width,
        -0.98,
        0.68,
        silhouette([tail, back, adipose, belly, anal], 1),
        swim(rng, 0.25),
        (-0.52, -d * 0.6, 0.2, rng.uniform(0.15, 0.5)),
    )
    back_colour = vary(rng, pick(rng, [colour(60, 85, 90), colour(70, 80, 60), colour(50, 60, 85)]), 0.15)
    flank = vary(rng, colour(188, 196, 202), 0.06)
    red = rng.uniform(0, 0.9) if rng.uniform() < 0.45 else 0.0

    def relief(x: Array, y: Array, z: Array) -> Array:
        return -0.008 * scales(x, y, 0.035) * ramp(x, -0.62, -0.56)

    def paint(x: Array, y: Array, z: Array, n: Array) -> Surface:
        fin = ramp(body.flesh(x, y, z), 0.008, 0.03)
        base = mix(flank, back_colour, ramp(y + 0.02 * noise(x, y, z, 6), d * 0.05, d * 0.6))
        base = mix(base, colour(238, 238, 236), ramp(y, -d * 0.45, -d * 0.9))
        base = mix(
            base,
            colour(170, 55, 50),
            red * ramp(np.abs(y + d * 0.05), d * 0.6, d * 0.1) * ramp(x, -0.7, -0.4),
        )
        dots = noise(x, y, 0 * z, 22)
        base = mix(base, colour(25, 28, 30), 0.85 * ramp(dots, 0.45, 0.6) * ramp(y, d * 0.2, d * 0.5))
        base = mix(base, base * 0.6, 0.5 * (1 - fin) * scales(x, y, 0.035) * ramp(x, -0.62, -0.56))
        base = mix(base, base * 0.35, (1 - fin) * gill(x, y, -0.58, d * 0.85))
        rays = np.where(x > 0.6, fin_rays(x, y, (0.5, 0), 70), np.sin(110 * (x - 0.3 * np.abs(y))))
        base = mix(base, mix(back_colour * 1.3, back_colour * 0.6, ramp(rays, -0.2, 0.9)), 0.8 * fin)
        mouth = ramp(np.abs(y + 0.03 + 0.12 * (x + 0.98)), 0.014, 0.005) * ramp(x, -0.76, -0.8)
        base = mix(base, base * 0.25, mouth)
        surface = Surface(base, 0.4, 30, soft=0.12)
        eye(surface, x, y, (-0.82, d * 0.22), 0.036, colour(190, 180, 130), np.where(fin > 0.5, 0.1, 0.45))
        return surface

    return fish(
        rng, body, paint, relief, ("water", "pond", "pond", "earth", "foliage", "room", "studio"), 1.04
    )


def puffer(rng: np.random.Generator) -> Thing:
    noise = value_noise(rng)
    d = rng.uniform(0.52, 0.64)
    top = curve([-0.82, -0.78, -0.6, -0.2, 0.2, 0.48, 0.62], [0.06, 0.12, d * 0.66, d, d * 0.8, 0.17, 0.09])
    bottom = curve(
        [-0.82, -0.78, -0.6, -0.15, 0.2, 0.48, 0.62], [0.06, 0.12, d * 0.6, d * 1.08, d * 0.9, 0.15, 0.08]
    )
    width = curve(
        [-0.82, -0.75, -0.55, -0.15, 0.25, 0.55, 0.62], [0.06, 0.16, d * 0.7, d, d * 0.75, 0.07, 0.04]
    )
    tail = [(0.54, 0.05), (0.72, 0.13), (0.9, 0.15), (0.93, 0.0), (0.9, -0.15), (0.72, -0.13), (0.54, -0.05)]
    back = [(0.26, d * 0.5), (0.38, d * 0.62 + 0.08), (0.5, d * 0.5 + 0.06), (0.46, 0.12)]
    anal = [(0.28, -d * 0.5), (0.4, -d * 0.6 - 0.06), (0.5, -d * 0.45 - 0.04), (0.46, -0.1)]
    body = Body(
        top,
        bottom,
        width,
        -0.82,
        0.62,
        silhouette([tail, back, anal]),
        swim(rng, 0.2),
        (-0.05, -0.02, 0.3, rng.uniform(0.5, 0.9)),
    )
    tan = vary(
        rng,
        pick(rng, [colour(190, 165, 100), colour(160, 140, 110), colour(150, 155, 90), colour(205, 180, 80)]),
    )
    white = vary(rng, colour(238, 234, 222), 0.04)
    spine = rng.uniform(0.5, 1.0)
    flesh = body.flesh
    thin = body.distance()

    def spikes(x: Array, y: Array, z: Array) -> Array:
        around = np.arctan2(z, y) * np.float32(18 / 6.2832)
        row = np.round(x * 9)
        around = around + 0.5 * (row.astype(np.int32) & 1)
        a = (around - np.round(around)) * np.hypot(y, z) * np.float32(6.2832 / 18)
        b = x - row / 9
        return ramp(np.hypot(a, b), 0.05, 0.0) * ramp(x, -0.62, -0.5) * ramp(x, 0.5, 0.4)

    def distance(x: Array, y: Array, z: Array) -> Array:
        return thin(x, y, z) - np.float32(0.055 * spine) * spikes(x, y, z)

    def paint(x: Array, y: Array, z: Array, n: Array) -> Surface:
        fin = ramp(flesh(x, y, z), 0.07, 0.09)
        blotch = noise(x, y, z, 5) + 0.5 * noise(x, y, z, 11)
        dark = mix(tan, colour(60, 48, 32), 0.85 * ramp(blotch, 0.1, 0.45))
        base = mix(white, dark, ramp(y + 0.08 * noise(x, y, z, 3), -0.14, 0.08))
        base = mix(base, white * 0.9, 0.6 * ramp(spikes(x, y, z), 0.4, 0.9))
        base = mix(base, mix(tan * 1.2, tan * 0.5, ramp(np.sin(80 * (y - 0.2 * x)), -0.2, 0.9)), fin)
        mouth = np.hypot((y + 0.02) * 0.8, z) + 0.9 * (x + 0.84)
        base = mix(base, white, ramp(mouth, 0.16, 0.12))
        base = mix(base, colour(50, 35, 30), ramp(np.abs(y + 0.02), 0.02, 0.008) * ramp(x, -0.72, -0.76))
        surface = Surface(base, 0.25, 26, clear=0.2 * fin, soft=0.2)
        eye(surface, x, y, (-0.5, d * 0.36), 0.11, colour(200, 195, 130), np.full(len(x), 0.25, np.float32))
        return surface

    thing = fish(rng, body, paint, None, ("sea", "sea", "water", "water"), 1.0)
    thing.distance = distance
    thing.step = 0.6
    return thing
