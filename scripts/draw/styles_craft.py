"""Crafts that only the anchors are made in: beads, points, engraving, glazed tiles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .canvas import WORK, blank, blur, changes, flat_image, grid, noise, outlines, over, wobbled
from .shapes import Drawing, mix, rgb


def beads(drawing: Drawing, rng: np.random.Generator) -> np.ndarray:
    """Fused beads on a board: rings of one colour each."""
    cell = 2.5
    bold = replace(drawing, parts=tuple(replace(p, outlined=np.ptp(p.points) > 40) for p in drawing.parts))
    source = over(flat_image(drawing), "#2c2230", outlines(bold, 2.2) * 0.9)
    x, y = grid()
    column, row = np.floor(x / cell), np.floor(y / cell)
    take = [np.minimum(((c + 0.5) * cell * WORK / 100).astype(int), WORK - 1) for c in (row, column)]
    colour = source[take[0], take[1]]
    far = np.hypot(x - (column + 0.5) * cell, y - (row + 0.5) * cell) / cell
    ring = np.clip((0.5 - far) * 20, 0, 1) * np.clip((far - 0.16) * 20, 0, 1)
    lit = 1 + 0.25 * np.clip((column + 0.5) * cell - x + (row + 0.5) * cell - y, -1, 1) / cell
    return over(blank("#e9e6df"), np.clip(colour * lit[..., None], 0, 1), ring)


def points(drawing: Drawing, rng: np.random.Generator) -> np.ndarray:
    """Pointillism: touches of pure colour that wander around the true one."""
    source = over(flat_image(drawing), "#3a2a50", outlines(drawing, 1.0) * 0.8)
    image = blank(mix(drawing.paper, "#fff8e8", 0.6))
    x, y = grid()
    for cell in (3.4, 2.6, 2.0):
        dx, dy = rng.uniform(0, cell, 2)
        column, row = ((x + dx) // cell).astype(int), ((y + dy) // cell).astype(int)
        middle = rng.uniform(0.3, 0.7, (2, 64, 64))[:, row, column]
        cx, cy = (column + middle[0]) * cell - dx, (row + middle[1]) * cell - dy
        take = [np.clip((c * WORK / 100).astype(int), 0, WORK - 1) for c in (cy, cx)]
        stray = rng.normal(0, 0.09, (64, 64, 3)).astype(np.float32)[row, column]
        touch = np.clip((0.46 - np.hypot(x - cx, y - cy) / cell) * 14, 0, 1)
        image = over(image, np.clip(source[take[0], take[1]] + stray, 0, 1), touch)
    return image


def engraving(drawing: Drawing, rng: np.random.Generator) -> np.ndarray:
    """Black lines on cream that cross where it is dark."""
    tone = flat_image(drawing) @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    x, y = grid()
    ink = outlines(wobbled(drawing, rng, 0.2), 0.9)
    for angle, limit in ((0.7, 0.85), (-0.6, 0.6), (1.5, 0.35)):
        across = x * np.cos(angle) + y * np.sin(angle) + 0.8 * noise(rng, 5)
        lines = 0.5 + 0.5 * np.sin(across * 2 * np.pi / 1.7)
        ink = np.maximum(ink, np.clip((lines - 0.35 - tone + (1 - limit) * 0.6) * 6, 0, 1) * (tone < limit))
    return over(blank("#f6efdd"), "#1c1815", ink)


def glazed(drawing: Drawing, rng: np.random.Generator) -> np.ndarray:
    """A glazed tile: raised dark lines, pooled colour and a net of fine cracks."""
    sites = rng.uniform(0, 100, (70, 2)).astype(np.float32)
    x, y = grid()
    piece = np.argmin((x[..., None] - sites[:, 0]) ** 2 + (y[..., None] - sites[:, 1]) ** 2, axis=-1)
    cracks = np.clip(blur(changes(piece), 0.8) * 2, 0, 1)
    flat = flat_image(drawing) * (0.78 + 0.36 * noise(rng, 14)[..., None])
    image = over(np.clip(flat, 0, 1), "#4a3a30", cracks * 0.6)
    lines = outlines(drawing, 2.2)
    image = over(image, "#241c2c", lines)
    gloss = np.clip(noise(rng, 5) - 0.72, 0, 1) * 1.6
    frame = (np.minimum(np.minimum(x, 100 - x), np.minimum(y, 100 - y)) < 2.5).astype(np.float32)
    return over(over(image, "#ffffff", gloss), rgb("#d8cdb8"), frame)
