"""The goldfish: slender to round, gold, red, white and patched."""

from __future__ import annotations

import numpy as np

from render.fish_body import Body, eye, fin_rays, fish, gill, scales, swim
from render.noise import Array, value_noise
from render.scene import Surface, Thing, colour, mix, pick, ramp, vary
from render.shapes import curve, silhouette

WATERS = ("water", "water", "pond", "sea")


def goldfish(rng: np.random.Generator) -> Thing:
    noise = value_noise(rng)
    deep = rng.uniform(0.25, 0.40)  # from the slender common goldfish to the round fantail
    flow = rng.uniform(0.85, 1.25)
    top = curve(
        [-0.82, -0.78, -0.62, -0.3, 0, 0.25, 0.42, 0.52],
        [0.03, 0.10, deep * 0.62, deep, deep * 0.92, deep * 0.5, 0.10, 0.07],
    )
    bottom = curve(
        [-0.82, -0.78, -0.62, -0.25, 0, 0.25, 0.42, 0.52],
        [0.03, 0.09, deep * 0.6, deep * 1.02, deep, deep * 0.5, 0.09, 0.06],
    )
    width = curve([-0.82, -0.7, -0.35, 0.1, 0.42, 0.52], [0.03, 0.13, deep * 0.62, deep * 0.45, 0.05, 0.03])
    lobe, fork = rng.uniform(0.28, 0.46) * flow, rng.uniform(0.62, 0.84)
    tail_end = 0.5 + 0.5 * flow
    high = deep + rng.uniform(0.16, 0.28) * flow
    tail = [
        (0.38, 0.04),
        (0.62, lobe * 0.6),
        (tail_end - 0.08, lobe),
        (tail_end, lobe * 0.75),
        (fork + 0.12, 0.1),
        (fork, 0.0),
        (fork + 0.12, -0.1),
        (tail_end, -lobe * 0.8),
        (tail_end - 0.08, -lobe),
        (0.62, -lobe * 0.6),
        (0.38, -0.04),
    ]
    back = [
        (-0.36, deep * 0.8),
        (-0.26, high),
        (-0.1, high * 0.98),
        (0.12, high * 0.72),
        (0.36, deep * 0.62),
        (0.3, 0.1),
        (0, deep * 0.5),
    ]
    belly = [
        (-0.2, -deep * 0.8),
        (-0.1, -deep - 0.2 * flow),
        (0.04, -deep - 0.14 * flow),
        (0.02, -deep * 0.7),
    ]
    anal = [
        (0.2, -deep * 0.45),
        (0.32, -deep * 0.62 - 0.16 * flow),
        (0.44, -deep * 0.5 - 0.1 * flow),
        (0.38, -0.06),
    ]
    body = Body(
        top,
        bottom,
        width,
        -0.82,
        0.52,
        silhouette([tail, back, belly, anal]),
        swim(rng, 0.35),
        (-0.36, -deep * 0.35, rng.uniform(0.24, 0.36), rng.uniform(0.25, 0.7)),
    )
    gold = vary(
        rng,
        pick(rng, [colour(245, 125, 15), colour(235, 85, 20), colour(250, 165, 40), colour(225, 50, 25)]),
        0.1,
    )
    kind = rng.choice(["gold", "gold", "gold", "patched", "white", "black-edged"])
    pale = vary(rng, colour(245, 232, 215), 0.04)
    size = rng.uniform(0.06, 0.085)

    def skin(x: Array, y: Array, z: Array) -> Array:
        base = mix(gold, mix(gold, colour(255, 205, 110), np.float32(0.6)), ramp(y, 0.0, -deep))
        if kind == "patched":
            base = mix(base, pale, ramp(noise(x, y, 0 * z, 2.6), -0.05, 0.12))
        elif kind == "white":
            base = mix(pale, gold, 0.6 * ramp(noise(x, y, 0 * z, 2.2), 0.35, 0.55))
        elif kind == "black-edged":
            base = mix(
                base, colour(40, 30, 25), 0.8 * ramp(y + 0.1 * noise(x, y, z, 5), deep * 0.75, deep * 1.2)
            )
        return base

    def relief(x: Array, y: Array, z: Array) -> Array:
        return -0.013 * scales(x, y, size) * ramp(x, -0.5, -0.42) * ramp(x, 0.5, 0.4)

    def paint(x: Array, y: Array, z: Array, n: Array) -> Surface:
        flesh = body.flesh(x, y, z)
        fin = ramp(flesh, 0.008, 0.03)
        scaled = ramp(x, -0.5, -0.42) * (1 - fin)
        base = skin(x, y, z)
        base = mix(base, base * 0.5, 0.55 * scaled * scales(x, y, size))
        base = mix(base, base * 0.4, (1 - fin) * gill(x, y, -0.42, deep * 0.8))
        mouth = ramp(np.abs(y + 0.02 + 0.4 * (x + 0.82)), 0.016, 0.006) * ramp(x, -0.7, -0.76)
        base = mix(base, base * 0.3, mouth)
        rays = np.where(x > 0.4, fin_rays(x, y, (0.3, 0), 60), np.sin(90 * (x - 0.35 * np.abs(y))))
        membrane = mix(base * 1.15, base * 0.6, ramp(rays, -0.2, 0.9))
        base = mix(base, membrane, fin)
        shine = np.where(fin > 0.5, 0.1, 0.45)
        surface = Surface(base, shine, 32, clear=fin * (0.12 + 0.2 * ramp(-rays, 0, 1)), soft=0.3)
        eye(surface, x, y, (-0.635, deep * 0.2), 0.062, colour(225, 190, 110), shine)
        return surface

    return fish(rng, body, paint, relief, (*WATERS, "room", "bokeh", "studio"), 1.1)
