"""Fish: a body about a bent spine, fins as thin plates. x from head (-) to tail (+)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from render.noise import Array, value_noise
from render.scene import Surface, Thing, colour, mix, pick, ramp, vary
from render.shapes import Curve, Curve2, Distance, curve, silhouette

Polygon = Sequence[tuple[float, float]]


@dataclass
class Body:
    """Half height above and below the spine, and half width, along x; fins in the plane of the spine."""

    top: Curve
    bottom: Curve
    width: Curve
    nose: float
    end: float
    fins: Curve2
    bend: Callable[[Array], Array]
    side_fin: tuple[float, float, float, float]  # x and y of its root, length, turn outwards
    fin_thickness: float = 0.014

    def flesh(self, x: Array, y: Array, z: Array) -> Array:
        height = np.where(y > 0, self.top(x), self.bottom(x))
        width = self.width(x)
        a, b = y / height, (z - self.bend(x)) / width
        q = np.sqrt(a * a + b * b) + np.float32(1e-6)
        slope = np.sqrt((a / height) ** 2 + (b / width) ** 2) / q
        middle, half = (self.nose + self.end) / 2, (self.end - self.nose) / 2
        return np.maximum((q - 1) / slope, np.abs(x - middle) - half)

    def plates(self, x: Array, y: Array, z: Array) -> Array:
        flat = np.abs(z - self.bend(x)) - np.float32(self.fin_thickness)
        return np.maximum(self.fins(x, y), flat)

    def paddles(self, x: Array, y: Array, z: Array) -> Array:
        """The pair of side fins."""
        root_x, root_y, length, turn = self.side_fin
        out = np.abs(z - self.bend(x)) - self.width(np.full(1, root_x, np.float32))[0] * np.float32(0.8)
        c, s = np.float32(np.cos(turn)), np.float32(np.sin(turn))
        u, w = (x - root_x) * c + out * s, -(x - root_x) * s + out * c
        v = y - root_y + np.float32(0.35) * u
        u = (u - length / 2) / (length / 2)
        fan = np.float32(0.34 * length) * (1 + 0.55 * np.clip(u, -1, 1))
        oval = (np.sqrt(u * u + (v / fan) ** 2) - 1) * np.minimum(fan, np.float32(length / 2))
        return np.maximum(oval * np.float32(0.7), np.abs(w) - np.float32(0.014))

    def distance(self) -> Distance:
        def whole(x: Array, y: Array, z: Array) -> Array:
            thin = np.minimum(self.plates(x, y, z), self.paddles(x, y, z))
            return np.minimum(self.flesh(x, y, z), thin)

        return whole


def _swim(rng: np.random.Generator, strength: float) -> Callable[[Array], Array]:
    """The sideways bend of the spine, strongest at the tail."""
    strength, phase = rng.uniform(-strength, strength), rng.uniform(-0.6, 0.6)

    def bend(x: Array) -> Array:
        back = np.maximum(x + np.float32(0.5), 0)
        return (
            np.float32(strength) * back * np.sin(np.float32(2.2) * x + np.float32(phase)).astype(np.float32)
        )

    return bend


def _scales(x: Array, y: Array, size: float) -> Array:
    """Overlapping rounded scales: 0 at their heart, 1 at the rear edge."""
    row = np.round(y / np.float32(size * 0.62))
    along = x / np.float32(size) + 0.5 * (row.astype(np.int32) & 1)
    a = along - np.floor(along) - 0.5
    b = y / np.float32(size * 0.62) - row
    return ramp(a + 0.55 * (1 - 2 * b * b), 0.55, 0.98)


def _eye(
    surface: Surface, x: Array, y: Array, at: tuple[float, float], size: float, ring: Array, shine: Array
) -> None:
    far = np.hypot(x - at[0], y - at[1])
    base = mix(surface.colour, ring * 0.4, ramp(far, size * 1.2, size * 1.05))
    base = mix(base, ring, ramp(far, size * 1.02, size * 0.92))
    base = mix(base, colour(8, 8, 10), ramp(far, size * 0.66, size * 0.56))
    glint = np.hypot(x - at[0] + size * 0.2, y - at[1] - size * 0.25)
    base = mix(base, colour(255, 255, 255), 0.9 * ramp(glint, size * 0.2, size * 0.1))
    surface.colour = base
    surface.shine = np.where(far < size, 0.7, shine)


def _gill(x: Array, y: Array, at: float, tall: float) -> Array:
    """The line behind the cheek: 1 on it."""
    bow = np.abs(np.hypot(x - at + 0.26, y * 0.9) - 0.26)
    return ramp(bow, 0.03, 0.008) * (x > at - 0.16) * ramp(np.abs(y), tall, tall * 0.7)


def _fin_rays(x: Array, y: Array, root: tuple[float, float], count: float) -> Array:
    return np.sin(np.arctan2(y - root[1], x - root[0]) * np.float32(count))


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
        _swim(rng, 0.35),
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
        return -0.02 * _scales(x, y, size) * ramp(x, -0.5, -0.42) * ramp(x, 0.5, 0.4)

    def paint(x: Array, y: Array, z: Array, n: Array) -> Surface:
        flesh = body.flesh(x, y, z)
        fin = ramp(flesh, 0.008, 0.03)
        scaled = ramp(x, -0.5, -0.42) * (1 - fin)
        base = skin(x, y, z)
        base = mix(base, base * 0.45, 0.75 * scaled * _scales(x, y, size))
        base = mix(base, base * 0.4, (1 - fin) * _gill(x, y, -0.42, deep * 0.8))
        mouth = ramp(np.abs(y + 0.02 + 0.4 * (x + 0.82)), 0.016, 0.006) * ramp(x, -0.7, -0.76)
        base = mix(base, base * 0.3, mouth)
        rays = np.where(x > 0.4, _fin_rays(x, y, (0.3, 0), 60), np.sin(90 * (x - 0.35 * np.abs(y))))
        membrane = mix(base * 1.15, base * 0.6, ramp(rays, -0.2, 0.9))
        base = mix(base, membrane, fin)
        shine = np.where(fin > 0.5, 0.1, 0.45)
        surface = Surface(base, shine, 32, clear=fin * (0.12 + 0.2 * ramp(-rays, 0, 1)), soft=0.3)
        _eye(surface, x, y, (-0.635, deep * 0.2), 0.062, colour(225, 190, 110), shine)
        return surface

    return _fish(rng, body, paint, relief, (*WATERS, "room", "bokeh", "studio"), 1.1)


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
        _swim(rng, 0.3),
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
        _eye(surface, x, y, (-0.83, d * 0.16), 0.03, colour(15, 15, 18), np.full(len(x), 0.16, np.float32))
        return surface

    return _fish(rng, body, paint, None, ("sea", "sea", "sea", "water"), 1.06)


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
        _swim(rng, 0.25),
        (-0.52, -d * 0.6, 0.2, rng.uniform(0.15, 0.5)),
    )
    back_colour = vary(rng, pick(rng, [colour(60, 85, 90), colour(70, 80, 60), colour(50, 60, 85)]), 0.15)
    flank = vary(rng, colour(188, 196, 202), 0.06)
    red = rng.uniform(0, 0.9) if rng.uniform() < 0.45 else 0.0

    def relief(x: Array, y: Array, z: Array) -> Array:
        return -0.008 * _scales(x, y, 0.035) * ramp(x, -0.62, -0.56)

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
        base = mix(base, base * 0.6, 0.5 * (1 - fin) * _scales(x, y, 0.035) * ramp(x, -0.62, -0.56))
        base = mix(base, base * 0.35, (1 - fin) * _gill(x, y, -0.58, d * 0.85))
        rays = np.where(x > 0.6, _fin_rays(x, y, (0.5, 0), 70), np.sin(110 * (x - 0.3 * np.abs(y))))
        base = mix(base, mix(back_colour * 1.3, back_colour * 0.6, ramp(rays, -0.2, 0.9)), 0.8 * fin)
        mouth = ramp(np.abs(y + 0.03 + 0.12 * (x + 0.98)), 0.014, 0.005) * ramp(x, -0.76, -0.8)
        base = mix(base, base * 0.25, mouth)
        surface = Surface(base, 0.4, 30, soft=0.12)
        _eye(surface, x, y, (-0.82, d * 0.22), 0.036, colour(190, 180, 130), np.where(fin > 0.5, 0.1, 0.45))
        return surface

    return _fish(
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
        _swim(rng, 0.2),
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
        _eye(surface, x, y, (-0.5, d * 0.36), 0.11, colour(200, 195, 130), np.full(len(x), 0.25, np.float32))
        return surface

    thing = _fish(rng, body, paint, None, ("sea", "sea", "water", "water"), 1.0)
    thing.distance = distance
    thing.step = 0.6
    return thing


def _fish(
    rng: np.random.Generator,
    body: Body,
    paint: Callable[[Array, Array, Array, Array], Surface],
    relief: Distance | None,
    places: tuple[str, ...],
    radius: float,
) -> Thing:
    """A fish seen from one of its sides, head left or right."""
    side = 0 if rng.uniform() < 0.5 else 180
    turned = (side - 42, side + 42)
    return Thing(
        body.distance(),
        paint,
        radius,
        yaw=turned,
        pitch=(-14, 28),
        roll=(-24, 24),
        places=places,
        stands=False,
        step=0.75,
        relief=relief,
        fill=(0.85, 1.22),
    )
