"""From shapes to pixels: masks, noise and blending for every style. Images are (512, 512, 3) in 0..1."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .shapes import Drawing, Part, luminance, rgb

WORK = 512  # styles paint at this size
FINE = 1024  # masks are drawn at this size, four times the finished 256
FINISHED = 256


def mask(part: Part) -> np.ndarray:
    """How much of each pixel the part covers: (512, 512) float32 in 0..1."""
    return _reduce(_fine(part.points, part.width), part.inside)


def outline(part: Part, width: float) -> np.ndarray:
    """The part's contour (or the stroke itself, no thinner than the contour would be) as a mask."""
    if part.width:
        return _reduce(_fine(part.points, max(part.width * 0.8, width * 0.7)), part.inside)
    closed = np.concatenate([part.points, part.points[:2]])
    return _reduce(_fine(closed, width), part.inside)


def _fine(points: np.ndarray, width: float) -> Image.Image:
    sheet = Image.new("L", (FINE, FINE), 0)
    pen = ImageDraw.Draw(sheet)
    xy = [(float(x), float(y)) for x, y in points * (FINE / 100)]
    if not width:
        pen.polygon(xy, fill=255)
        return sheet
    thick = max(1, round(width * FINE / 100))
    pen.line(xy, fill=255, width=thick, joint="curve")
    for x, y in (xy[0], xy[-1]):
        r = thick / 2
        pen.ellipse((x - r, y - r, x + r, y + r), fill=255)
    return sheet


def _reduce(sheet: Image.Image, inside: np.ndarray | None) -> np.ndarray:
    values = np.asarray(sheet.reduce(FINE // WORK), dtype=np.float32) / 255
    if inside is not None:
        values = values * np.asarray(_fine(inside, 0).reduce(FINE // WORK), dtype=np.float32) / 255
    return values


def blank(colour: str) -> np.ndarray:
    return np.broadcast_to(rgb(colour), (WORK, WORK, 3)).copy()


def over(image: np.ndarray, colour: str | np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Paints a colour (or an image) over an image, `alpha` (512, 512) of it."""
    paint = rgb(colour) if isinstance(colour, str) else colour
    return image + (paint - image) * alpha[..., None]


def blur(values: np.ndarray, radius: float) -> np.ndarray:
    """A Gaussian blur of a (512, 512) field in 0..1."""
    sheet = Image.fromarray((np.clip(values, 0, 1) * 255).astype(np.uint8))
    return np.asarray(sheet.filter(ImageFilter.GaussianBlur(radius)), dtype=np.float32) / 255


def shifted(values: np.ndarray, dx: int, dy: int) -> np.ndarray:
    """The field moved right and down; what comes in from the border is 0."""
    out = np.zeros_like(values)
    h, w = values.shape[:2]
    out[max(dy, 0) : h + min(dy, 0), max(dx, 0) : w + min(dx, 0)] = values[
        max(-dy, 0) : h + min(-dy, 0), max(-dx, 0) : w + min(-dx, 0)
    ]
    return out


def noise(rng: np.random.Generator, cells: int, octaves: int = 3, stretch: float = 1.0) -> np.ndarray:
    """Smooth noise in 0..1 with about `cells` bumps across, drawn out sideways by `stretch`: (512, 512)."""
    total = np.zeros((WORK, WORK), dtype=np.float32)
    for octave in range(octaves):
        tall = min(WORK, cells * 2**octave)
        wide = min(WORK, max(2, round(tall / stretch)))
        grain = Image.fromarray(rng.integers(0, 256, (tall, wide), dtype=np.uint8))
        total += (
            np.asarray(grain.resize((WORK, WORK), Image.Resampling.BICUBIC), dtype=np.float32) / 2**octave
        )
    total -= total.min()
    return total / total.max()


def rotated(values: np.ndarray, degrees: float) -> np.ndarray:
    """A (512, 512) texture turned about its middle; corners are filled by first enlarging it."""
    sheet = Image.fromarray((np.clip(values, 0, 1) * 255).astype(np.uint8))
    big = sheet.resize((WORK * 3 // 2, WORK * 3 // 2)).rotate(degrees, Image.Resampling.BICUBIC)
    edge = WORK // 4
    return np.asarray(big.crop((edge, edge, edge + WORK, edge + WORK)), dtype=np.float32) / 255


def grid() -> tuple[np.ndarray, np.ndarray]:
    """Pixel coordinates on the 100 by 100 sheet: x and y, each (512, 512) float32."""
    y, x = np.mgrid[0:WORK, 0:WORK].astype(np.float32) * (100 / WORK)
    return x, y


def wobbled(drawing: Drawing, rng: np.random.Generator, amount: float, waves: float = 5.0) -> Drawing:
    """The drawing as an unsteady hand would trace it: every point moved by one smooth field."""
    direction = rng.normal(size=(6, 2)) * waves / 16
    phase = rng.uniform(0, 2 * np.pi, (6, 2))

    def shake(points: np.ndarray) -> np.ndarray:
        swing = np.sin((points @ direction.T)[..., None] + phase).mean(axis=1)
        return points + amount * 2.0 * swing

    parts = tuple(
        replace(part, points=shake(part.points), inside=None if part.inside is None else shake(part.inside))
        for part in drawing.parts
    )
    return replace(drawing, parts=parts)


def layers(drawing: Drawing) -> Iterator[tuple[Part, np.ndarray]]:
    """Every part with its mask, back to front."""
    for part in drawing.parts:
        yield part, mask(part)


def flat_image(drawing: Drawing) -> np.ndarray:
    """Plain fills and nothing else."""
    image = blank(drawing.paper)
    for part, cover in layers(drawing):
        image = over(image, part.colour, cover)
    return image


def labels(drawing: Drawing) -> np.ndarray:
    """Which part lies on top at each pixel, -1 for the paper: (512, 512) int."""
    top = np.full((WORK, WORK), -1)
    for index, part in enumerate(drawing.parts):
        top[mask(part) > 0.5] = index
    return top


def outlines(drawing: Drawing, width: float) -> np.ndarray:
    """All contours that no later part hides, as one mask."""
    ink = np.zeros((WORK, WORK), dtype=np.float32)
    for part in drawing.parts:
        if part.outlined and not part.width:
            ink *= 1 - mask(part)
        if part.outlined or part.width:
            ink = np.maximum(ink, outline(part, width if part.outlined else width * 0.6))
        elif luminance(part.colour) < 0.35:
            ink = np.maximum(ink, mask(part))
        else:
            ink *= 1 - mask(part)
    return ink


def changes(field: np.ndarray) -> np.ndarray:
    """Where a label field changes from a pixel to the next: (512, 512) in {0, 1}."""
    edge = np.zeros(field.shape, dtype=np.float32)
    edge[:, 1:] += field[:, 1:] != field[:, :-1]
    edge[1:] += field[1:] != field[:-1]
    return np.minimum(edge, 1)


def finish(image: np.ndarray) -> Image.Image:
    """A painted image as a 256 by 256 RGB image."""
    sheet = Image.fromarray((np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8))
    return sheet.reduce(sheet.width // FINISHED)
