"""What an image is made of: a solid thing, its surface, its pose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from render.noise import Array
from render.shapes import Distance


@dataclass
class Surface:
    """How the points of a surface look; everything has one row a point, or broadcasts to it.

    Attributes:
        colour: share of light given back, linear, (points, 3).
        shine: strength of the mirror image, 0 to 1.
        polish: sharpness of highlights (Blinn's exponent).
        glow: light given off, linear, (points, 3).
        clear: share of the background that shines through, 0 to 1.
        soft: how far light reaches past the edge of shadow (skin, wax, fruit), 0 to 1.
    """

    colour: Array
    shine: Array | float = 0.2
    polish: Array | float = 40.0
    glow: Array | float = 0.0
    clear: Array | float = 0.0
    soft: float = 0.15


Paint = Callable[[Array, Array, Array, Array], Surface]


@dataclass
class Thing:
    """A solid about the origin, in its own coordinates: x right, y up, z to the viewer.

    Attributes:
        distance: signed distance, or something at most ``1 / step`` times as steep.
        paint: the surface at points (x, y, z) with normals (3, points).
        radius: of a sphere about the origin that holds it all.
        yaw, pitch, roll: ranges of its turns in degrees (about y, x and z, in this order).
        places: backdrops that suit it.
        stands: whether it may stand on a table.
        step: share of the distance that one step of marching goes.
        relief: fine height above the surface that only tilts the normals.
        fill: range of the share of the image's side that the thing takes.
        glare: light that the thing sends into the lens, as (x, y, z, colour, radius); a halo is drawn there.
    """

    distance: Distance
    paint: Paint
    radius: float = 1.0
    yaw: tuple[float, float] = (-180, 180)
    pitch: tuple[float, float] = (-10, 35)
    roll: tuple[float, float] = (-10, 10)
    places: tuple[str, ...] = ("studio", "room", "bokeh", "foliage")
    stands: bool = True
    step: float = 0.85
    relief: Distance | None = None
    fill: tuple[float, float] = (0.6, 0.95)
    glare: tuple[float, float, float, tuple[float, float, float], float] | None = None


def colour(red: float, green: float, blue: float) -> Array:
    """A colour as on a screen (0 to 255) in linear light (0 to 1)."""
    return (np.array([red, green, blue], np.float32) / 255) ** np.float32(2.2)


def vary(rng: np.random.Generator, base: Array, amount: float = 0.12) -> Array:
    """The colour a little brighter or darker, and a little off in hue."""
    factor = np.exp(rng.normal(0, amount, 3) * 0.5 + rng.normal(0, amount))
    return np.clip(base * factor, 0, 1).astype(np.float32)


def mix(a: Array, b: Array, share: Array | float) -> Array:
    """Colours between a (share 0) and b (share 1); shares have one entry a point."""
    weight = np.clip(np.asarray(share, np.float32), 0, 1)[..., None]
    return a + (b - a) * weight


def ramp(value: Array, low: float, high: float) -> Array:
    """0 below ``low``, 1 above ``high``, smooth between (``high`` may be the smaller one)."""
    t = np.clip((value - np.float32(low)) / np.float32(high - low), 0, 1)
    return t * t * (3 - 2 * t)


def pick(rng: np.random.Generator, options: list[Array]) -> Array:
    return options[int(rng.integers(len(options)))]
