"""Clean styles: fills, outlines, gradients and cut shapes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

from .canvas import (
    WORK,
    blank,
    blur,
    flat_image,
    grid,
    labels,
    layers,
    mask,
    noise,
    outline,
    outlines,
    over,
    shifted,
    wobbled,
)
from .shapes import INK, WHITE, Drawing, Part, detail, luminance, mix, oval, rgb, stroke


def flat(drawing: Drawing, rng: np.random.Generator) -> np.ndarray:
    """Flat vector: plain fills, and half of the subject a tone darker."""
    image = blank(drawing.paper)
    for part, cover in layers(drawing):
        image = over(image, part.colour, cover)
        if part.outlined and not part.width:
            lower = np.clip((cover - shifted(cover, -6, -22)), 0, 1)
            image = over(image, mix(part.colour, "#3a1030", 0.22), lower * cover)
    return image


def line_art(drawing: Drawing, rng: np.random.Generator) -> np.ndarray:
    """A black pen line on white, of two strengths."""
    ink = outlines(wobbled(drawing, rng, 0.3), 1.1)
    return over(blank("#fffefa"), "#16161c", ink)


def cartoon(drawing: Drawing, rng: np.random.Generator) -> np.ndarray:
    """Thick black outlines, a hard shadow and a highlight on each part."""
    image = blank(drawing.paper)
    for part, cover in layers(drawing):
        if part.outlined:
            image = over(image, INK, outline(part, 3.2))
        image = over(image, part.colour, cover)
        if part.outlined and not part.width:
            image = over(image, mix(part.colour, "#52104a", 0.35), cover * (1 - shifted(cover, -10, -16)))
            rim = cover * (1 - shifted(cover, 8, 12)) * shifted(cover, -5, -5) * shifted(cover, 5, 7)
            image = over(image, mix(part.colour, WHITE, 0.55), rim)
            image = over(image, INK, outline(part, 1.6) * (1 - cover * 0.2))
    return image


def pixel_art(drawing: Drawing, rng: np.random.Generator) -> np.ndarray:
    """A 42-pixel sprite with a dark outline and few colours."""
    side = 43
    image = blank(drawing.paper)
    for part, cover in layers(drawing):
        if part.outlined:
            image = over(
                image, mix(part.colour, "#35081c", 0.75), outline(part, 5.2 if not part.width else 3)
            )
        image = over(image, part.colour, cover)
        if part.outlined and not part.width:
            image = over(image, mix(part.colour, WHITE, 0.4), cover * (1 - shifted(cover, 10, 16)) * 0.8)
            image = over(image, mix(part.colour, "#401030", 0.3), cover * (1 - shifted(cover, -9, -15)))
    small = Image.fromarray((image * 255).astype(np.uint8)).resize((side, side), Image.Resampling.NEAREST)
    few = small.quantize(16, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).convert("RGB")
    return np.asarray(few.resize((WORK, WORK), Image.Resampling.NEAREST), dtype=np.float32) / 255


def kawaii(drawing: Drawing, rng: np.random.Generator) -> np.ndarray:
    """Candy colours, a soft brown outline, and a face with rosy cheeks."""
    if drawing.face:
        drawing = replace(drawing, parts=(*drawing.parts, *_cute_face(*drawing.face)))
    image = blank(mix(drawing.paper, "#ffe9f2", 0.5))
    for part, cover in layers(drawing):
        sweet = part.colour if luminance(part.colour) < 0.3 else mix(part.colour, "#fff2ea", 0.16)
        if part.outlined:
            image = over(image, "#6b3a35", outline(part, 2.3))
        image = over(image, sweet, cover)
        if part.outlined and not part.width:
            glow = blur(cover, 14) * cover
            image = over(image, mix(sweet, WHITE, 0.4), np.clip(glow - 0.62, 0, 0.38) * cover)
    return image


def _cute_face(x: float, y: float, s: float) -> list[Part]:
    eyes = [
        part
        for side in (-1, 1)
        for part in (
            oval(x + side * 6 * s, y, 2.3 * s, 3 * s, INK),
            oval(x + side * 6 * s - 0.7 * s, y - 1.2 * s, 0.9 * s, 0.9 * s, WHITE),
            oval(x + side * 10 * s, y + 3.6 * s, 2.4 * s, 1.4 * s, "#ff8fa0"),
        )
    ]
    return detail(
        *eyes, stroke(f"{x - 2.4 * s},{y + 2.6 * s} {x},{y + 4.4 * s} {x + 2.4 * s},{y + 2.6 * s}", 1.1 * s)
    )


def gradient(drawing: Drawing, rng: np.random.Generator) -> np.ndarray:
    """Glossy emoji: light from above, a darker rim and a soft gloss."""
    _, y = grid()
    image = blank(drawing.paper)
    for part, cover in layers(drawing):
        top, bottom = part.points[:, 1].min(), part.points[:, 1].max()
        down = np.clip((y - top) / max(bottom - top, 1), 0, 1)[..., None]
        light, dark = rgb(mix(part.colour, "#fff7c0", 0.35)), rgb(mix(part.colour, "#7a0a2a", 0.32))
        paint = light * (1 - down) + dark * down if part.outlined and not part.width else rgb(part.colour)
        if part.outlined and not part.width:
            image = over(image, "#301020", shifted(blur(cover, 6), 2, 5) * 0.22)
        image = over(image, np.broadcast_to(paint, image.shape), cover)
        if part.outlined and not part.width:
            rim = cover * np.clip(1 - 1.25 * blur(cover, 9), 0, 1)
            image = over(image, mix(part.colour, "#5a0626", 0.6), rim * 0.7)
            gloss = blur(cover * shifted(cover, 0, 14) * (1 - shifted(cover, 2, 34)), 5) * cover
            image = over(image, WHITE, gloss * 0.5)
    return image


def paper_cut(drawing: Drawing, rng: np.random.Generator) -> np.ndarray:
    """Layers of coloured paper, each with its own shadow and fibres."""
    image = blank(mix(drawing.paper, "#f3e6cf", 0.25)) * (0.94 + 0.08 * noise(rng, 90)[..., None])
    for part, cover in layers(drawing):
        fibres = 0.93 + 0.1 * noise(rng, 100, 2, stretch=3)
        if part.outlined:
            image = over(image, "#1d1020", shifted(blur(cover, 7), 5, 8) * 0.5 * (1 - cover))
        image = over(image, rgb(part.colour) * fibres[..., None], cover)
        if part.outlined and not part.width:
            edge = cover * np.clip(1 - shifted(cover, 2, 3), 0, 1)
            image = over(image, mix(part.colour, WHITE, 0.6), edge * 0.8)
    return image


def low_poly(drawing: Drawing, rng: np.random.Generator) -> np.ndarray:
    """Straight-edged shapes cut into facets, each with its own light."""
    angular = tuple(replace(p, points=_fewer(p)) if not p.width else p for p in drawing.parts)
    facets = _facets(rng)
    light = rng.uniform(-1, 1, facets.max() + 1).astype(np.float32)[facets]
    _, y = grid()
    image = blank(drawing.paper) * (1 + 0.05 * light[..., None])
    for part in angular:
        cover = mask(part)
        shade = 1 + (0.17 * light + 0.22 * (0.5 - y / 100) if part.outlined else 0.05 * light)
        image = over(image, np.clip(rgb(part.colour) * shade[..., None], 0, 1), cover)
    return image


def _fewer(part: Part) -> np.ndarray:
    """Every so-manieth point of a contour, so that its sides are straight; small shapes stay as they are."""
    size = np.ptp(part.points, axis=0).max()
    return part.points[:: 7 if size > 14 else 4] if size > 5 else part.points


def _facets(rng: np.random.Generator, cells: int = 11) -> np.ndarray:
    """A jittered grid of triangles: each pixel's triangle number, (512, 512) int."""
    x, y = grid()
    x = x + 5 * (noise(rng, 8, 1) - 0.5)
    y = y + 5 * (noise(rng, 8, 1) - 0.5)
    u, v = x / 100 * cells + 1, y / 100 * cells + 1
    column, row = np.floor(u).astype(int), np.floor(v).astype(int)
    upper = np.where((column + row) % 2 == 0, (u % 1) + (v % 1) > 1, (u % 1) > (v % 1))
    return 2 * ((row + 1) * (cells + 4) + column + 1) + upper


def blueprint(drawing: Drawing, rng: np.random.Generator) -> np.ndarray:
    """White lines on a squared blue sheet."""
    x, y = grid()
    lines = np.maximum((x % 6) < 0.25, (y % 6) < 0.25).astype(np.float32)
    image = over(blank("#1f4f8f") * (0.92 + 0.1 * noise(rng, 6)[..., None]), "#6f9fd8", lines * 0.5)
    return over(image, "#f2f7ff", outlines(drawing, 1.0))


def sticker(drawing: Drawing, rng: np.random.Generator) -> np.ndarray:
    """A die-cut sticker: flat colours, a wide white border and a soft shadow."""
    whole = np.clip((labels(drawing) >= 0).astype(np.float32), 0, 1)
    border = np.clip(blur(whole, 8) * 6, 0, 1)
    image = over(blank("#b9c6cf"), "#20242c", shifted(blur(border, 6), 3, 6) * 0.45)
    image = over(image, WHITE, border)
    inside = flat_image(drawing)
    glaze = np.clip(grid()[1] / 100 - 0.2, 0, 1)[..., None] * 0.12
    return over(image, inside * (1 - glaze), whole)
