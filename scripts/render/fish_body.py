"""What fish have in common: a body about a bent spine, fins as thin plates. x from head (-) to tail (+)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from render.noise import Array
from render.scene import Surface, Thing, colour, mix, ramp
from render.shapes import Curve, Curve2, Distance


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


def swim(rng: np.random.Generator, strength: float) -> Callable[[Array], Array]:
    """The sideways bend of the spine, strongest at the tail."""
    strength, phase = rng.uniform(-strength, strength), rng.uniform(-0.6, 0.6)

    def bend(x: Array) -> Array:
        back = np.maximum(x + np.float32(0.5), 0)
        return (
            np.float32(strength) * back * np.sin(np.float32(2.2) * x + np.float32(phase)).astype(np.float32)
        )

    return bend


def scales(x: Array, y: Array, size: float) -> Array:
    """Overlapping rounded scales: 0 at their heart, 1 at the rear edge."""
    row = np.round(y / np.float32(size * 0.62))
    along = x / np.float32(size) + 0.5 * (row.astype(np.int32) & 1)
    a = along - np.floor(along) - 0.5
    b = y / np.float32(size * 0.62) - row
    return ramp(a + 0.55 * (1 - 2 * b * b), 0.55, 0.98)


def eye(
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


def gill(x: Array, y: Array, at: float, tall: float) -> Array:
    """The line behind the cheek: 1 on it."""
    bow = np.abs(np.hypot(x - at + 0.26, y * 0.9) - 0.26)
    return ramp(bow, 0.03, 0.008) * (x > at - 0.16) * ramp(np.abs(y), tall, tall * 0.7)


def fin_rays(x: Array, y: Array, root: tuple[float, float], count: float) -> Array:
    return np.sin(np.arctan2(y - root[1], x - root[0]) * np.float32(count))


def fish(
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
