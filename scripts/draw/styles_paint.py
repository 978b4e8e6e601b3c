"""Styles of a hand with brush, chalk or crayon."""

from __future__ import annotations

import numpy as np

from .canvas import (
    WORK,
    blank,
    blur,
    flat_image,
    grid,
    layers,
    noise,
    outline,
    outlines,
    over,
    rotated,
    shifted,
    wobbled,
)
from .shapes import WHITE, Drawing, luminance, mix, rgb


def watercolour(drawing: Drawing, rng: np.random.Generator) -> np.ndarray:
    """Transparent washes that pool at their edges, on rough paper."""
    grain = noise(rng, 140, 2)
    image = over(blank("#fdfbf4"), drawing.paper, 0.75 * _torn(noise(rng, 4), 0.1))
    for part, cover in layers(wobbled(drawing, rng, 0.7)):
        soft = blur(cover, 2.0)
        pool = np.clip(soft - blur(soft, 7), 0, 1) * 2.2
        wash = soft * (0.5 + 0.4 * noise(rng, 5) + 0.12 * grain) + pool * soft
        strength = np.clip(wash * (0.95 if luminance(part.colour) > 0.3 else 1.3), 0, 1)
        if luminance(part.colour) > 0.95:
            image = over(image, WHITE, soft * 0.9)
        else:
            lifted = over(image, "#fdfbf4", soft * 0.8) if part.outlined else image
            image = lifted * (1 - strength[..., None] * (1 - rgb(mix(part.colour, "#102040", 0.06))))
    return np.clip(image * (0.95 + 0.07 * grain[..., None]), 0, 1)


def _torn(field: np.ndarray, margin: float) -> np.ndarray:
    """A rectangle with a ragged edge, as a wash leaves it on the paper."""
    x, y = grid()
    inside = np.minimum(np.minimum(x, 100 - x), np.minimum(y, 100 - y)) / 100 + 0.12 * (field - 0.5)
    return np.clip((inside - margin / 2) * 18, 0, 1)


def crayon(drawing: Drawing, rng: np.random.Generator) -> np.ndarray:
    """Wax strokes in one direction a part, broken by the paper's tooth, and a heavy hand-drawn contour."""
    tooth = noise(rng, 170, 2)
    image = blank("#fffdf6")
    image = over(image, drawing.paper, np.clip((rotated(noise(rng, 90, 2, 14), 35) - 0.35) * 4, 0, 1) * 0.8)
    for part, cover in layers(wobbled(drawing, rng, 1.0)):
        strokes = rotated(noise(rng, 70, 2, 12), float(rng.uniform(20, 60)))
        wax = np.clip((strokes * 0.7 + tooth * 0.5 - 0.32) * 4, 0, 1)
        if part.outlined:
            image = over(image, "#fffdf6", cover * 0.85)
        image = over(image, part.colour, cover * wax * 0.92)
        if part.outlined or part.width:
            edge = outline(part, 1.7) * np.clip((tooth - 0.25) * 4, 0, 1)
            image = over(image, mix(part.colour, "#401810", 0.5), edge * 0.9)
    return image


def pastel(drawing: Drawing, rng: np.random.Generator) -> np.ndarray:
    """Soft chalk rubbed into a toned, grainy paper."""
    grain = noise(rng, 200, 1)
    toned = mix(drawing.paper, "#8d8aa0", 0.35)
    image = blank(toned) * (0.93 + 0.1 * grain[..., None])
    for part, cover in layers(wobbled(drawing, rng, 0.6)):
        soft = blur(cover, 2.5 if part.outlined else 1.2)
        dust = np.clip((grain + (0.03 if part.outlined else 0.12)) * 3.2, 0, 1) * (
            0.72 + 0.28 * rotated(noise(rng, 40, 2, 8), 40)
        )
        image = over(image, mix(part.colour, WHITE, 0.12), soft * dust)
        if part.outlined and not part.width:
            light = np.clip(soft - shifted(soft, 9, 14), 0, 1)
            image = over(image, mix(part.colour, WHITE, 0.6), light * dust * 0.7)
            dark = np.clip(soft - shifted(soft, -9, -14), 0, 1)
            image = over(image, mix(part.colour, "#2a1540", 0.5), dark * dust * 0.55)
    return image


def ink_brush(drawing: Drawing, rng: np.random.Generator) -> np.ndarray:
    """Swelling black brush lines over loose washes on rice paper."""
    paper = rgb("#f4ecd8") * (0.96 + 0.06 * noise(rng, 120, 2, 4)[..., None])
    image = over(paper, drawing.paper, 0.25 * noise(rng, 3))
    loose = wobbled(drawing, rng, 0.5)
    for part, cover in layers(loose):
        if part.width:
            continue
        wash = shifted(blur(cover, 5), 3, 2) * (0.55 + 0.55 * noise(rng, 6))
        image = over(image, paper, cover * 0.7) if part.outlined else image
        image = image * (1 - np.clip(wash, 0, 0.95)[..., None] * (1 - rgb(part.colour)))
    thin, thick = outlines(loose, 0.7), outlines(loose, 2.6)
    press = np.clip((noise(rng, 7, 2) - 0.4) * 5, 0, 1)
    dry = np.clip((rotated(noise(rng, 120, 2, 16), 25) - 0.18) * 6, 0.35, 1)
    ink = np.maximum(thin, thick * press) * dry
    image = over(image, "#17120f", ink * 0.95)
    x, y = grid()
    seal = ((np.abs(x - 91) < 4) & (np.abs(y - 90) < 4)).astype(np.float32)
    carved = ((np.abs((x - 91) % 2.6 - 1.3) < 0.35) & (np.abs(y - 90) < 2.8)).astype(np.float32)
    return over(image, "#b3261e", seal * (1 - carved) * 0.9)


def chalkboard(drawing: Drawing, rng: np.random.Generator) -> np.ndarray:
    """Chalk on a blackboard: bright dusty contours, thin fills."""
    dust = noise(rng, 180, 2)
    image = blank("#26352f") * (0.85 + 0.3 * noise(rng, 5)[..., None])
    for part, cover in layers(wobbled(drawing, rng, 0.8)):
        bright = mix(part.colour, WHITE, 0.35)
        if part.outlined:
            image = over(image, "#26352f", cover * 0.8)
        rub = np.clip((rotated(noise(rng, 60, 2, 12), 50) + dust - 1.0) * 4, 0, 1)
        image = over(image, bright, cover * rub * 0.75)
        if part.outlined or part.width:
            image = over(image, mix(bright, WHITE, 0.5), outline(part, 1.3) * np.clip((dust - 0.3) * 5, 0, 1))
    return image


def pencil(drawing: Drawing, rng: np.random.Generator) -> np.ndarray:
    """Coloured pencil: fine parallel hatching and a thin grey contour."""
    x, y = grid()
    image = blank("#fbfaf6")
    for part, cover in layers(wobbled(drawing, rng, 0.4)):
        angle = rng.uniform(0.4, 1.1)
        phase = (x * np.cos(angle) + y * np.sin(angle)) * 7 + 5 * noise(rng, 6)
        lines = 0.55 + 0.45 * np.sin(phase)
        tone = np.clip(lines * 0.8 + 0.5 * noise(rng, 60, 2) - 0.2, 0, 1)
        if part.outlined:
            image = over(image, "#fbfaf6", cover * 0.9)
        image = over(image, part.colour, cover * tone * 0.85)
        if part.outlined or part.width:
            image = over(image, "#4a4448", outline(part, 0.7) * 0.7)
    return image


def oil(drawing: Drawing, rng: np.random.Generator) -> np.ndarray:
    """Thick short strokes that follow a swirling field and stand off the canvas."""
    base = flat_image(wobbled(drawing, rng, 0.6))
    spread = 9
    dx = ((noise(rng, 60, 2) - 0.5) * 2 * spread).astype(int)
    dy = ((noise(rng, 60, 2) - 0.5) * 2 * spread).astype(int)
    rows, columns = np.mgrid[0:WORK, 0:WORK]
    moved = base[np.clip(rows + dy, 0, WORK - 1), np.clip(columns + dx, 0, WORK - 1)]
    ridge = rotated(noise(rng, 60, 2, 7), 30)
    relief = np.clip((ridge - shifted(ridge, 2, 2)) * 3, -0.3, 0.3)
    return np.clip(moved * (0.85 + 0.3 * noise(rng, 50, 2)[..., None]) + relief[..., None] * 0.5, 0, 1)
