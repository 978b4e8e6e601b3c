"""What is behind things: blurred, never sharp enough to draw the eye. Linear colours, (size, size, 3)."""

from __future__ import annotations

import numpy as np

from render.noise import Array, enlarge, fractal
from render.scene import colour, mix, pick, ramp, vary

LOW = 72  # side of the grid that backdrops are made on: enlarging it is the blur of a lens


def _grid() -> tuple[Array, Array]:
    axis = np.linspace(0, 1, LOW, dtype=np.float32)
    u, v = np.meshgrid(axis, axis)
    return u, v


def _any_colour(rng: np.random.Generator, low: float = 30, high: float = 235) -> Array:
    grey = rng.uniform(low, high)
    return colour(*np.clip(grey + rng.normal(0, 28, 3), 5, 250))


def studio(rng: np.random.Generator) -> Array:
    u, v = _grid()
    base = _any_colour(rng, 90, 245)
    bright = 1 - rng.uniform(0.2, 0.7) * np.hypot(u - rng.uniform(0.2, 0.8), v - rng.uniform(0, 0.7))
    return base * bright[..., None]


def room(rng: np.random.Generator) -> Array:
    u, v = _grid()
    image = mix(_any_colour(rng), _any_colour(rng), ramp(u + 0.3 * v, 0, 1.2))
    for _ in range(int(rng.integers(3, 9))):
        x, y = rng.uniform(-0.1, 1, 2)
        w, h = rng.uniform(0.06, 0.5, 2)
        soft = rng.uniform(0.01, 0.06)
        inside = ramp(u, x, x + soft) * ramp(u, x + w + soft, x + w) * ramp(v, y, y + soft)
        inside = inside * ramp(v, y + h + soft, y + h)
        image = mix(image, _any_colour(rng) * (0.7 + 0.5 * (v[..., None] - y)), inside)
    return image


def bokeh(rng: np.random.Generator) -> Array:
    u, v = _grid()
    image = mix(_any_colour(rng, 5, 130), _any_colour(rng, 5, 150), v + 0.2 * fractal(rng, LOW, 3, 2))
    tint = _any_colour(rng, 90, 250)
    radius = rng.uniform(0.02, 0.09)
    for _ in range(int(rng.integers(6, 24))):
        far = np.hypot(u - rng.uniform(0, 1), v - rng.uniform(0, 1))
        r = radius * rng.uniform(0.6, 1.3)
        disc = ramp(far, r + 0.015, r - 0.01) * (0.65 + 0.35 * ramp(far, 0, r))
        light = mix(tint, _any_colour(rng, 120, 250), np.float32(rng.uniform()))
        image = image + light * disc[..., None] * np.float32(rng.uniform(0.15, 0.9))
    return image


def foliage(rng: np.random.Generator) -> Array:
    cells = int(rng.integers(3, 9))
    shade = fractal(rng, LOW, cells, 4, rng.uniform(0.45, 0.75))
    dark = vary(rng, colour(22, 42, 14), 0.2)
    light = vary(rng, colour(130, 160, 60), 0.25)
    image = mix(dark, light, ramp(shade, -0.9, 1.2))
    if rng.uniform() < 0.4:
        spots = fractal(rng, LOW, cells + 2, 2)
        image = mix(image, _any_colour(rng, 120, 245), ramp(spots, 0.55, 0.9))
    return image


def earth(rng: np.random.Generator) -> Array:
    shade = fractal(rng, LOW, int(rng.integers(5, 14)), 4, 0.75)
    light = vary(rng, pick(rng, [colour(196, 172, 128), colour(130, 120, 108), colour(110, 84, 58)]))
    return mix(light * 0.25, light, ramp(shade, -1.3, 1.1))


def sky(rng: np.random.Generator) -> Array:
    _, v = _grid()
    top = vary(rng, pick(rng, [colour(70, 120, 200), colour(120, 160, 215), colour(150, 160, 175)]))
    low = vary(rng, pick(rng, [colour(190, 210, 230), colour(225, 205, 185), colour(205, 210, 212)]))
    image = mix(top, low, v)
    clouds = fractal(rng, LOW, 3, 5, 0.55) + rng.uniform(-0.8, 0.3)
    image = mix(image, colour(235, 236, 238), 0.9 * ramp(clouds, -0.1, 0.9))
    if rng.uniform() < 0.5:
        hills = v - rng.uniform(0.75, 0.95) - 0.05 * fractal(rng, LOW, 3, 2)
        image = mix(image, vary(rng, colour(60, 80, 50), 0.25), ramp(hills, -0.01, 0.02))
    return image


def street(rng: np.random.Generator) -> Array:
    u, v = _grid()
    image = sky(rng)
    for _ in range(int(rng.integers(2, 6))):
        x, w, roof = rng.uniform(-0.2, 1), rng.uniform(0.15, 0.5), rng.uniform(0.1, 0.8)
        wall = _any_colour(rng, 50, 200)
        inside = (u > x) & (u < x + w) & (v > roof)
        grid = np.sin(u * rng.uniform(60, 110)) * np.sin(v * rng.uniform(50, 90))
        face = mix(wall, wall * 0.4, ramp(grid, 0.1, 0.6))
        image = np.where(inside[..., None], face, image)
    return image


def water(rng: np.random.Generator) -> Array:
    """Under water: an aquarium with plants, gravel and bubbles."""
    u, v = _grid()
    tint = vary(
        rng, pick(rng, [colour(60, 130, 160), colour(50, 120, 110), colour(30, 70, 120), colour(20, 40, 45)])
    )
    image = mix(tint * 1.5, tint * 0.35, v + 0.25 * fractal(rng, LOW, 3, 3))
    rays = np.sin((u + 0.3 * v) * rng.uniform(10, 25) + 3 * fractal(rng, LOW, 2, 2))
    image = image * (1 + 0.35 * ramp(rays, 0.2, 1) * (1 - v))[..., None]
    for _ in range(int(rng.integers(0, 8))):
        x, width, top = rng.uniform(0, 1), rng.uniform(0.015, 0.06), rng.uniform(0.1, 0.8)
        stem = np.abs(u - x - 0.04 * np.sin(v * rng.uniform(4, 14) + x * 9))
        weed = ramp(stem, width, width * 0.4) * ramp(v, top, top + 0.1)
        image = mix(image, vary(rng, colour(50, 100, 40), 0.3), 0.8 * weed)
    if rng.uniform() < 0.6:
        gravel = vary(rng, colour(170, 150, 125), 0.2) * (0.6 + 0.5 * fractal(rng, LOW, 24, 2))[..., None]
        image = mix(image, gravel, ramp(v, *(rng.uniform(0.75, 0.95) + np.array([0, 0.06]))))
    for _ in range(int(rng.integers(0, 12))):
        far = np.hypot(u - rng.uniform(0, 1), v - rng.uniform(0, 1))
        image = image + 0.35 * ramp(far, rng.uniform(0.012, 0.03), 0)[..., None]
    return image


def sea(rng: np.random.Generator) -> Array:
    _, v = _grid()
    tint = vary(rng, pick(rng, [colour(20, 90, 160), colour(30, 120, 150), colour(15, 60, 110)]))
    image = mix(tint * 2.2, tint * 0.3, ramp(v, -0.1, rng.uniform(0.7, 1.2)))
    waves = fractal(rng, LOW, 6, 3)
    return image + (0.25 * ramp(waves, 0.2, 1.2) * ramp(v, 0.35, 0))[..., None]


def pond(rng: np.random.Generator) -> Array:
    """The surface of a pond from above: dark water, bright reflections, leaves that float."""
    u, v = _grid()
    tint = vary(rng, pick(rng, [colour(30, 45, 35), colour(50, 60, 50), colour(25, 45, 60)]), 0.25)
    waves = fractal(rng, LOW, 5, 3)
    image = mix(tint, tint * 3 + 0.05, ramp(waves, 0.1, 1.3))
    for _ in range(int(rng.integers(0, 5))):
        far = np.hypot(u - rng.uniform(0, 1), (v - rng.uniform(0, 1)) * 1.3)
        r = rng.uniform(0.06, 0.16)
        image = mix(image, vary(rng, colour(80, 125, 50), 0.2), ramp(far, r + 0.015, r))
    return image


def leaf(rng: np.random.Generator) -> Array:
    """A big green leaf with its veins, close up."""
    u, v = _grid()
    angle = rng.uniform(0, 3.14)
    a = (u - 0.5) * np.cos(angle) + (v - 0.5) * np.sin(angle) + 0.03 * fractal(rng, LOW, 3, 2)
    b = -(u - 0.5) * np.sin(angle) + (v - 0.5) * np.cos(angle)
    veins = np.abs(np.sin((a + 0.5 * np.abs(b)) * rng.uniform(14, 26)))
    green = vary(rng, colour(85, 135, 45), 0.2)
    image = green * (0.75 + 0.3 * veins + 0.12 * fractal(rng, LOW, 9, 3))[..., None]
    return mix(image, green * 1.7, ramp(np.abs(b), 0.03, 0.012))


BACKDROPS = {
    "studio": studio,
    "room": room,
    "bokeh": bokeh,
    "foliage": foliage,
    "earth": earth,
    "sky": sky,
    "street": street,
    "water": water,
    "sea": sea,
    "pond": pond,
    "leaf": leaf,
}


def clutter(rng: np.random.Generator, image: Array) -> Array:
    """Lays a few blurred, lit lumps of any colour over the backdrop."""
    u, v = _grid()
    for _ in range(int(rng.integers(1, 5))):
        r = rng.uniform(0.05, 0.2)
        a, b = (u - rng.uniform(0, 1)) / r, (v - rng.uniform(0.25, 1)) / (r * rng.uniform(0.7, 1.5))
        power = rng.choice([2, 2, 6])
        far = (np.abs(a) ** power + np.abs(b) ** power) ** (1 / power)
        light = np.clip(0.75 - 0.35 * b + rng.uniform(-0.4, 0.4) * a, 0.1, 1.4)
        image = mix(image, _any_colour(rng) * light[..., None], ramp(far, 1.12, 0.95))
    return image


def backdrop(rng: np.random.Generator, place: str, size: int) -> Array:
    image = BACKDROPS[place](rng)
    if place in ("room", "studio", "bokeh", "earth", "street") and rng.uniform() < 0.5:
        image = clutter(rng, image)
    return np.clip(enlarge(np.asarray(image, np.float32), size), 0, 1.5)
