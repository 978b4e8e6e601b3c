"""Generated images: anchors for runs that have no photos.

A network's predictions for them are of no use in themselves, yet distilling them keeps its features in
place, and the more of its features the images activate, the better. So they have what natural images have in
common: objects that occlude each other with sizes by a power law ("dead leaves": Lee, Mumford and Huang
2001), textures with a 1/f spectrum (Field 1987), shading from one side, a background, blur, noise. Some look
like drawings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from visionlora.data.files.seeds import mixed
from visionlora.phases import phase

Array = NDArray[np.float32]
Rng = np.random.Generator

_ANGLES = 1024


@phase("generated")
def generate_images(count: int, size: int, seed: int = 0) -> tuple[Tensor, ...]:
    """Make ``count`` images, uint8 (3, size, size); image i is a function of (seed, i) alone.

    Args:
        count: how many.
        size: pixels a side, at least 16.
        seed: another seed, other images.

    Raises:
        ValueError: the count is negative, or the size too small.
    """
    if count < 0 or size < 16:
        raise ValueError(f"count is {count} and size {size}; give at least 0 images of at least 16 pixels")
    kinds: list[Callable[[Rng, int], Array]] = [_leaves, _scene, drawing, _leaves, _scene, _texture]
    return tuple(
        as_image(kinds[index % len(kinds)](np.random.default_rng(mixed("generated", seed, index)), size))
        for index in range(count)
    )


def as_image(values: Array) -> Tensor:
    """Values from 0 to 1, (H, W, 3), as uint8 (3, H, W)."""
    pixels = (values.clip(0, 1) * 255 + 0.5).astype(np.uint8)
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def _leaves(rng: Rng, size: int) -> Array:
    """Textured, shaded shapes over one another, radii by the law p(r) ~ 1 / r^3."""
    canvas = _backdrop(rng, size)
    sheets = [_noise(rng, size) for _ in range(3)]
    smallest, largest = size / 32, size / 2
    u = rng.random(int(rng.integers(40, 140)))
    radii = (smallest**-2 + u * (largest**-2 - smallest**-2)) ** -0.5
    for radius in radii:
        _paint(canvas, _outline(rng, radius), _surface(rng, sheets), _anywhere(rng, size))
    return _photograph(rng, canvas)


def _scene(rng: Rng, size: int) -> Array:
    """One to four large solids with shadows before a background that is out of focus."""
    canvas = _blur(_backdrop(rng, size), int(rng.integers(1, 4)))
    sheets = [_noise(rng, size) for _ in range(2)]
    for _ in range(int(rng.integers(1, 5))):
        radius = size * rng.uniform(0.12, 0.38)
        place = rng.uniform(0.2, 0.8, 2) * size
        shadow = _outline(rng, radius, kind=0) * np.float32(1.1)
        _paint(canvas, shadow, _shadow, (place[0] + radius / 3, place[1]), softness=radius / 4)
        solid = _outline(rng, radius)
        _paint(canvas, solid, _surface(rng, sheets, solid=True), (place[0], place[1]))
        for _ in range(int(rng.integers(0, 6))):  # details on it: eyes, buttons, patches
            spot = place + rng.normal(0, radius / 3, 2)
            detail = _outline(rng, radius * rng.uniform(0.05, 0.3))
            _paint(canvas, detail, _surface(rng, sheets), (spot[0], spot[1]))
    return _photograph(rng, canvas)


def drawing(rng: Rng, size: int) -> Array:
    """Flat shapes in few colours, most with a dark outline, on plain ground."""
    canvas = np.empty((size, size, 3), np.float32)
    canvas[:] = 1 - 0.15 * rng.random(3) if rng.random() < 0.7 else rng.random(3)
    palette = [_colour(rng) for _ in range(int(rng.integers(2, 6)))]
    line = size * rng.choice([0.0, 0.01, 0.02, 0.03])
    centre, spread = rng.uniform(0.35, 0.65, 2) * size, size * rng.uniform(0.08, 0.25)
    for radius in sorted(size * rng.uniform(0.03, 0.3, int(rng.integers(3, 18))), reverse=True):
        place = centre + rng.normal(0, spread, 2)
        shape = _outline(rng, radius)
        ink, fill = _flat(0.15 * _colour(rng)), _flat(palette[int(rng.integers(len(palette)))])
        if line:
            _paint(canvas, shape + np.float32(line), ink, (place[0], place[1]))
        _paint(canvas, shape, fill, (place[0], place[1]))
    if rng.random() < 0.3:  # paper, crayon, watercolour
        canvas += np.float32(rng.uniform(0.05, 0.3)) * (_noise(rng, size, slope=0.6)[..., None] - 0.5)
    return canvas


def _texture(rng: Rng, size: int) -> Array:
    """1/f noise in two or three colours, sometimes folded into veins."""
    values = _noise(rng, size, slope=rng.uniform(0.7, 1.8))
    if rng.random() < 0.5:
        values = np.abs(np.sin(values * np.float32(rng.uniform(4, 25))))
    canvas = _colourise(rng, values)
    return canvas * (0.6 + 0.8 * _noise(rng, size)[..., None])


# A shape is its radius at each of _ANGLES directions. A surface gives the colour of a box of pixels from
# their offsets to the shape's centre and their distance in units of the shape's radius.

Surface = Callable[[Array, Array, Array], tuple[Array, float]]


@lru_cache(maxsize=4)
def _polar(size: int) -> tuple[NDArray[np.int16], Array]:
    """Direction (index) and distance of every offset up to ``size`` pixels from a centre."""
    offset = np.arange(-size, size + 1, dtype=np.float32)
    y, x = offset[:, None], offset[None, :]
    direction = (np.arctan2(y, x) + np.pi) * ((_ANGLES - 1) / (2 * np.pi))
    return direction.astype(np.int16), np.hypot(y, x)


def _outline(rng: Rng, radius: float, kind: int | None = None) -> Array:
    """A shape of about ``radius`` pixels: ellipse, polygon, star or blob."""
    angle = np.linspace(0, 2 * np.pi, _ANGLES, dtype=np.float32) + rng.uniform(0, 2 * np.pi)
    kind = int(rng.integers(4)) if kind is None else kind
    if kind == 0:
        flatness = rng.uniform(0.35, 1.0)
        shape = flatness / np.sqrt((flatness * np.cos(angle)) ** 2 + np.sin(angle) ** 2)
    elif kind == 1:
        corners = int(rng.integers(3, 8))
        within = np.mod(angle, 2 * np.pi / corners) - np.pi / corners
        shape = np.cos(np.pi / corners) / np.cos(within)
    elif kind == 2:
        shape = 1 - rng.uniform(0.2, 0.6) * np.abs(np.sin(angle * int(rng.integers(3, 8)) / 2))
    else:
        waves = range(1, 6)
        shape = 1 + sum(rng.normal(0, 0.25 / k) * np.cos(k * angle + rng.uniform(0, 6.3)) for k in waves)
    return np.clip(shape, 0.15, 1.5).astype(np.float32) * np.float32(radius)


def _paint(
    canvas: Array, shape: Array, surface: Surface, place: tuple[float, float], softness: float = 0.5
) -> None:
    """Lay ``shape`` with its centre at ``place`` (row, column) over ``canvas``; edges are antialiased."""
    size = canvas.shape[0]
    row, column = int(np.clip(place[0], 0, size - 1)), int(np.clip(place[1], 0, size - 1))
    reach = int(shape.max() + softness) + 1
    rows = slice(max(0, row - reach), min(size, row + reach + 1))
    columns = slice(max(0, column - reach), min(size, column + reach + 1))
    directions, distances = _polar(size)
    box = (
        slice(rows.start - row + size, rows.stop - row + size),
        slice(columns.start - column + size, columns.stop - column + size),
    )
    edge, distance = shape[directions[box]], distances[box]
    cover = ((edge - distance) / (2 * softness) + 0.5).clip(0, 1)
    y = np.arange(rows.start - row, rows.stop - row, dtype=np.float32)[:, None]
    x = np.arange(columns.start - column, columns.stop - column, dtype=np.float32)[None, :]
    colour, opacity = surface(y, x, distance / edge)
    under = canvas[rows, columns]
    under += (np.float32(opacity) * cover)[..., None] * (colour - under)


def _surface(rng: Rng, sheets: Sequence[Array], solid: bool = False) -> Surface:
    """A material: two colours mixed by a pattern, with shading on solids and on half of the leaves."""
    first, second = _colour(rng), _colour(rng)
    pattern = int(rng.integers(5))
    angle, pitch = rng.uniform(0, 2 * np.pi), rng.uniform(3, 24)
    sheet = sheets[int(rng.integers(len(sheets)))]
    light = rng.normal(0, 1, 2) + np.array([-0.7, 0.0])
    shaded, gloss = solid or rng.random() < 0.5, rng.random() < 0.4

    def surface(y: Array, x: Array, distance: Array) -> tuple[Array, float]:
        along = np.float32(np.sin(angle)) * y + np.float32(np.cos(angle)) * x
        mix: NDArray[Any]  # single precision, but NumPy's types take 0.5 for double
        if pattern == 0:
            mix = np.zeros_like(distance)
        elif pattern == 1:
            mix = 0.5 + 0.5 * along / (np.abs(along).max() + 1)
        elif pattern == 2:
            mix = 0.5 + 0.5 * np.sin(along * np.float32(6.28 / pitch))
        else:
            mix = sheet[: distance.shape[0], : distance.shape[1]]
        colour = first + mix[..., None] * (second - first)
        if shaded:
            # Lambert's law on a dome over the shape, lit from ``light``.
            height = np.sqrt(np.maximum(0, 1 - np.minimum(distance, 1) ** 2))
            reach = max(len(y), x.shape[1]) / 2 + 1
            facing = (np.float32(light[0]) * y + np.float32(light[1]) * x) / reach + height
            brightness = 0.35 + 0.75 * (facing / 2).clip(0, 1)
            colour = colour * brightness[..., None]
            if gloss:
                colour = colour + (0.7 * (facing / 2).clip(0, 1) ** 12)[..., None]
        return colour.astype(np.float32), 1.0

    return surface


def _flat(colour: Array) -> Surface:
    return lambda y, x, distance: (colour, 1.0)


def _shadow(y: Array, x: Array, distance: Array) -> tuple[Array, float]:
    return np.zeros(3, np.float32), 0.5


def _colour(rng: Rng) -> Array:
    """Half of them nearly gray, as in most photos, half of any colour."""
    colour = rng.random(3)
    if rng.random() < 0.5:
        gray = colour.mean()
        colour = gray + 0.25 * (colour - gray)
    return colour.astype(np.float32)


def _noise(rng: Rng, size: int, slope: float | None = None) -> Array:
    """Noise with amplitude ~ 1 / f^slope (natural images: about 1), most of it within 0 to 1."""
    slope = rng.uniform(0.8, 1.6) if slope is None else slope
    rows, columns = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :]
    frequency = np.hypot(rows * rng.uniform(0.5, 2), columns)
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((size, size))) / frequency**slope
    values = np.fft.irfft2(spectrum, s=(size, size))
    return (0.5 + 0.2 * values / (values.std() + 1e-9)).clip(0, 1).astype(np.float32)


def _colourise(rng: Rng, values: Array) -> Array:
    stops = np.linspace(0, 1, 3)
    colours = np.stack([_colour(rng) for _ in stops])
    channels = [np.interp(values, stops, colours[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def _backdrop(rng: Rng, size: int) -> Array:
    """A texture under a gradient, in half of them above a horizon and another texture."""
    ramp = np.linspace(0, 1, size, dtype=np.float32)[:, None, None]
    canvas = _colourise(rng, _noise(rng, size)) * 0.5 + 0.5 * (_colour(rng) + ramp * (_colour(rng) - 0.5))
    if rng.random() < 0.5:
        horizon = int(size * rng.uniform(0.35, 0.8))
        canvas[horizon:] = _colourise(rng, _noise(rng, size))[horizon:]
    return canvas.astype(np.float32)


def _anywhere(rng: Rng, size: int) -> tuple[float, float]:
    return rng.uniform(0, size), rng.uniform(0, size)


def _blur(canvas: Array, times: int) -> Array:
    """A binomial blur, 1-2-1 at growing distances."""
    for step in (1, 2, 4)[:times]:
        for axis in (0, 1):
            either_side = np.roll(canvas, step, axis) + np.roll(canvas, -step, axis)
            canvas = np.float32(0.5) * canvas + np.float32(0.25) * either_side
    return canvas


def _photograph(rng: Rng, canvas: Array) -> Array:
    """Focus, exposure, and a sensor's noise."""
    canvas = _blur(canvas.clip(0, 1), int(rng.integers(0, 2)))
    canvas = canvas ** np.float32(rng.uniform(0.6, 1.5))
    return canvas + rng.normal(0, rng.uniform(0, 0.04), (*canvas.shape[:2], 1)).astype(np.float32)
