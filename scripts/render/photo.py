"""One photo: a thing in a pose, before a backdrop or on a table, in some light, through a lens."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from render.backdrop import backdrop
from render.lens import develop
from render.march import along, normals, openness, shadow, trace
from render.noise import Array, fractal
from render.scene import Surface, Thing, mix, ramp, vary

FAR = 4.2  # from the camera to the thing, in units of its size


@dataclass
class Light:
    """A lamp (direction, colour), the light of sky and ground, linear; all seen from the camera."""

    towards: Array
    lamp: Array
    sky: Array
    ground: Array
    hard: float


def photograph(thing: Thing, rng: np.random.Generator, size: int) -> NDArray[np.uint8]:
    """A photo of the thing, (size, size, 3) uint8."""
    turn = _turn(rng, thing)
    place = str(rng.choice(thing.places))
    light = _light(rng, place)
    image = backdrop(rng, place, size)
    origin, rays, pixel = _camera(rng, thing, size)
    eye, aim = turn.T @ origin, turn.T @ rays
    seen, t, cover = trace(thing.distance, eye, aim, thing.radius, thing.step, pixel)
    x, y, z = along(eye, aim[:, seen], t)
    flat = image.reshape(-1, 3)
    if thing.stands and place not in ("sky", "water", "sea", "pond") and rng.uniform() < 0.6 and len(seen):
        flat = _table(
            rng, thing, light, turn, origin, rays, float((turn[1] @ np.stack([x, y, z])).min()), flat
        )
    seen_colour, clear = _shade(thing, light, turn, -aim[:, seen], x, y, z, place)
    opaque = (cover * (1 - clear))[:, None]
    flat[seen] = flat[seen] * (1 - opaque) + seen_colour * opaque
    if thing.glare is not None:
        flat = flat + _halo(thing, turn, origin, rays)
    if place in ("water", "sea"):  # the water between
        flat = mix(flat, flat.mean(0), np.full(len(flat), rng.uniform(0.0, 0.25), np.float32))
    return develop(rng, flat.reshape(size, size, 3))


def _turn(rng: np.random.Generator, thing: Thing) -> Array:
    """Rotation from the thing's own coordinates to the camera's."""
    yaw, pitch, roll = (math.radians(rng.uniform(*r)) for r in (thing.yaw, thing.pitch, thing.roll))
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (math.cos, math.sin))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return (about_z @ about_x @ about_y).astype(np.float32)


def _camera(rng: np.random.Generator, thing: Thing, size: int) -> tuple[Array, Array, float]:
    """The eye, unit rays (3, pixels) and a pixel's width at distance 1; the thing lies off the middle."""
    fill = rng.uniform(*thing.fill)
    half = thing.radius / fill / FAR
    free = half * max(1 - fill, 0) * 0.8 + 0.02
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1
    u, v = np.meshgrid(axis * half, -axis * half)
    u, v = u + rng.uniform(-free, free), v + rng.uniform(-free, free)
    rays = np.stack([u.ravel(), v.ravel(), np.full(size * size, -1)]).astype(np.float32)
    rays /= np.sqrt((rays * rays).sum(0))
    return np.array([0, 0, FAR], np.float32), rays, 2 * half / size


def _light(rng: np.random.Generator, place: str) -> Light:
    angle, height = rng.uniform(-2.0, 2.0), rng.uniform(0.45, 1.35)
    towards = np.array(
        [
            math.sin(angle) * math.cos(height),
            math.sin(height),
            math.cos(angle) * math.cos(height) * 0.8 + 0.25,
        ]
    )
    warm = rng.uniform(-0.12, 0.2)
    strength = rng.uniform(0.75, 1.6)
    lamp = strength * np.array([1 + warm, 1, 1 - warm])
    sky = rng.uniform(0.22, 0.6) * np.array([0.95, 1, 1.06 + 0.1 * rng.uniform()])
    if place in ("water", "sea", "pond"):
        lamp, sky = lamp * np.array([0.88, 1, 1]), sky * np.array([0.75, 1.02, 1.1])
    ground = sky * rng.uniform(0.25, 0.7) * np.array([1.05, 1, 0.9])
    unit = (towards / np.linalg.norm(towards)).astype(np.float32)
    parts = [a.astype(np.float32) for a in (lamp, sky, ground)]
    return Light(unit, parts[0], parts[1], parts[2], hard=rng.uniform(3, 14))


def _shade(
    thing: Thing, light: Light, turn: Array, view: Array, x: Array, y: Array, z: Array, place: str
) -> tuple[Array, Array]:
    """Colours (points, 3) and transparency (points,) of surface points."""
    n = normals(thing.distance, x, y, z)
    n *= np.where((n * view).sum(0) < 0, -1, 1).astype(np.float32)
    lamp, up = turn.T @ light.towards, turn[1]
    lit = shadow(
        thing.distance, x + n[0] * 0.03, y + n[1] * 0.03, z + n[2] * 0.03, lamp, thing.radius, hard=light.hard
    )
    free = openness(thing.distance, x, y, z, n)
    surface: Surface = thing.paint(x, y, z, n)
    if thing.relief is not None:
        relief, solid = thing.relief, thing.distance
        n = normals(lambda a, b, c: solid(a, b, c) - relief(a, b, c), x, y, z)
        n *= np.where((n * view).sum(0) < 0, -1, 1).astype(np.float32)
    facing = lamp @ n
    soft = np.float32(surface.soft)
    diffuse = np.clip((facing + soft) / (1 + soft), 0, 1) * (lit * (1 - soft) + soft)
    height = 0.5 + 0.5 * (up @ n)
    ambient = mix(light.ground, light.sky, height) * free[:, None]
    shone = surface.colour * (diffuse[:, None] * light.lamp + ambient)
    mirror = 2 * (n * view).sum(0) * n - view
    edge = np.float32(0.25) + np.float32(0.75) * (1 - np.clip((n * view).sum(0), 0, 1)) ** 4
    half = view + lamp[:, None]
    half /= np.sqrt((half * half).sum(0))
    spark = np.clip((n * half).sum(0), 0, 1) ** np.asarray(surface.polish, np.float32) * lit
    scene = mix(light.ground, light.sky * 1.5, ramp(up @ mirror, -0.25, 0.35)) * free[:, None]
    window = ramp(np.abs(turn[0] @ mirror - 0.4), 0.26, 0.2) * ramp(np.abs(up @ mirror - 0.55), 0.26, 0.2)
    scene = scene + (window * 1.2)[:, None] * light.sky
    shine = np.asarray(surface.shine, np.float32) * np.ones(len(x), np.float32)
    shone = shone + shine[:, None] * (edge[:, None] * scene + 1.4 * spark[:, None] * light.lamp)
    shone = shone + surface.glow
    clear = np.broadcast_to(np.asarray(surface.clear, np.float32), (len(x),))
    return shone.astype(np.float32), clear


def _table(
    rng: np.random.Generator,
    thing: Thing,
    light: Light,
    turn: Array,
    origin: Array,
    rays: Array,
    lowest: float,
    behind: Array,
) -> Array:
    """The pixels with a table under the thing: texture, the thing's shadow, the far edge in the blur."""
    tilt = math.radians(rng.uniform(12, 32))
    up = np.array([0, math.cos(tilt), math.sin(tilt)], np.float32)
    level = lowest * up[1] + rng.uniform(0.0, 0.06)
    slope = up @ rays
    t = (level - up @ origin) / np.where(slope < -1e-3, slope, -1e-3)
    depth = rng.uniform(7, 12)
    on = np.flatnonzero((slope < -0.02) & (t < depth))
    if not len(on):
        return behind
    points = origin[:, None] + rays[:, on] * t[on]
    along_x, along_z = points[0], points[2] * up[1] - points[1] * up[2]
    base = _table_colour(rng, along_x, along_z)
    near = np.flatnonzero((points * points).sum(0) < (2.2 * thing.radius) ** 2)
    lit, free = np.ones(len(on), np.float32), np.ones(len(on), np.float32)
    if len(near):
        own = turn.T @ points[:, near]
        lamp = turn.T @ light.towards
        lit[near] = shadow(thing.distance, own[0], own[1], own[2], lamp, 2.0, steps=7, hard=light.hard)
        free[near] = np.clip(thing.distance(own[0], own[1], own[2]) / 0.35, 0.12, 1)
    cosine = max(float(up @ light.towards), 0.15)
    shone = base * (lit[:, None] * light.lamp * cosine + light.sky * free[:, None])
    fade = ramp(t[on], depth, depth * 0.8)
    result = behind.copy()
    result[on] = mix(behind[on], shone, fade)
    return result


def _table_colour(rng: np.random.Generator, x: Array, z: Array) -> Array:
    """Wood, cloth, stone, tiles or plain, at points of the table (points, 3)."""
    kind = rng.choice(["wood", "cloth", "stone", "plain", "tiles"])
    palette = {
        "wood": (140, 95, 55),
        "cloth": (170, 165, 170),
        "stone": (120, 118, 112),
        "plain": (190, 188, 184),
    }
    level = np.array(palette.get(str(kind), (180, 170, 150))) * rng.uniform(0.45, 1.25)
    base = vary(rng, (np.clip(level, 8, 245) / 255).astype(np.float32) ** np.float32(2.2), 0.15)
    angle = rng.uniform(0, math.pi)
    u, v = x * math.cos(angle) + z * math.sin(angle), z * math.cos(angle) - x * math.sin(angle)
    texture = fractal(rng, 128, 6, 5, 0.65)

    def sample(a: Array, b: Array) -> Array:
        return texture[(a * 24).astype(np.int32) & 127, (b * 24).astype(np.int32) & 127]

    if kind == "wood":
        grain = sample(u * 0.25, v * 1.6)
        return base * (0.75 + 0.3 * grain + 0.15 * np.sin(14 * v + 5 * grain))[:, None]
    if kind == "cloth":
        weave = np.sin(u * 9) * rng.uniform(0, 0.3) + np.sin(v * 9) * rng.uniform(0, 0.3)
        return base * (0.85 + weave + 0.08 * sample(u, v))[:, None]
    if kind == "stone":
        return base * (0.85 + 0.35 * sample(u, v))[:, None]
    if kind == "tiles":
        joint = np.maximum(ramp(np.abs(np.sin(u * 2)), 0.06, 0.0), ramp(np.abs(np.sin(v * 2)), 0.06, 0.0))
        return base * (0.9 + 0.08 * sample(u, v) - 0.5 * joint)[:, None]
    return base * (1 + 0.04 * sample(u, v))[:, None]


def _halo(thing: Thing, turn: Array, origin: Array, rays: Array) -> Array:
    assert thing.glare is not None
    x, y, z, tint, radius = thing.glare
    towards = turn @ np.array([x, y, z], np.float32) - origin
    towards /= np.linalg.norm(towards)
    angle = np.sqrt(np.maximum(2 - 2 * (towards @ rays), 0)) * FAR / radius
    glow = 0.5 * np.exp(-angle * angle * 3) + 0.22 / (1 + 6 * angle * angle)
    return (glow[:, None] * np.asarray(tint, np.float32)).astype(np.float32)
