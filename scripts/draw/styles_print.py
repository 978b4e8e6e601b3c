"""Styles of press, glass, stone and thread."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw

from .canvas import (
    FINE,
    WORK,
    blank,
    blur,
    changes,
    flat_image,
    grid,
    labels,
    layers,
    noise,
    outlines,
    over,
)
from .shapes import Drawing, mix, rgb


def stained_glass(drawing: Drawing, rng: np.random.Generator) -> np.ndarray:
    """Panes of coloured glass between dark lead."""
    top = labels(drawing)
    colours = np.stack([rgb(drawing.paper), *(rgb(part.colour) for part in drawing.parts)])
    main = np.array([-1, *(i if p.outlined and not p.width else -2 for i, p in enumerate(drawing.parts))])[
        top + 1
    ]
    sites = rng.uniform(0, 100, (46, 2)).astype(np.float32)
    x, y = grid()
    pane = np.argmin((x[..., None] - sites[:, 0]) ** 2 + (y[..., None] - sites[:, 1]) ** 2, axis=-1)
    small = np.isin(main, [i for i in np.unique(main) if (main == i).mean() < 0.012])
    pane = np.where(small | (main == -2), 0, pane)
    light = rng.uniform(0.72, 1.25, len(sites)).astype(np.float32)[pane] * (0.8 + 0.4 * noise(rng, 18))
    glass = np.clip(colours[top + 1] * light[..., None], 0, 1)
    bold = np.clip(blur(changes(np.where(main == -2, -3, main)), 2.4) * 5.5, 0, 1)
    seams = np.clip(blur(changes(pane) * (main != -2), 1.6) * 4.0, 0, 1)
    return over(glass, "#17161c", np.maximum(bold, seams))


def stippling(drawing: Drawing, rng: np.random.Generator) -> np.ndarray:
    """Dots of ink on cream, denser where it is darker: black for lines and shadows, a dark tint elsewhere."""
    tone = _shaded(drawing) @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    contour = outlines(drawing, 1.3)
    want = np.clip((1 - tone) ** 2.2 * 1.4 - 0.03, 0, 1)
    sheet = Image.new("L", (FINE, FINE), 0)
    pen = ImageDraw.Draw(sheet)
    ink = np.maximum(want, contour * 1.6)
    for cy in range(0, WORK, 3):
        for cx in range(0, WORK, 3):
            dx, dy = rng.integers(0, 3, 2)
            px, py = cx + int(dx), cy + int(dy)
            if rng.random() < ink[min(py, WORK - 1), min(px, WORK - 1)]:
                r = 2.6 + 0.9 * rng.random()
                pen.ellipse((2 * px - r, 2 * py - r, 2 * px + r, 2 * py + r), fill=255)
    dots = np.asarray(sheet.reduce(FINE // WORK), dtype=np.float32) / 255
    black = np.clip(contour + (tone < 0.3), 0, 1)[..., None]
    ink_colour = black * rgb("#1b1a22") + (1 - black) * flat_image(drawing) * 0.85
    return over(blank("#f7f0df"), ink_colour, dots)


def _shaded(drawing: Drawing) -> np.ndarray:
    """Plain fills with a shadow at each part's lower edge: a tone image for the prints."""
    image = blank(drawing.paper)
    for part, cover in layers(drawing):
        image = over(image, part.colour, cover)
        if part.outlined and not part.width:
            soft = blur(cover, 16)
            rolled = np.roll(soft, (-14, -8), axis=(0, 1))
            image = over(image, mix(part.colour, "#000000", 0.75), np.clip(cover - rolled, 0, 1) * cover)
    return image


def woodcut(drawing: Drawing, rng: np.random.Generator) -> np.ndarray:
    """One colour block and a black block of carved lines that swell in the shadows."""
    tone = _shaded(drawing) @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    x, y = grid()
    bend = y + 2.2 * np.sin(x / 11) + 3 * noise(rng, 4)
    lines = 0.5 + 0.5 * np.sin(bend * 2 * np.pi / 2.5)
    carved = np.clip((lines + 0.12 - 1.5 * tone) * 7, 0, 1)
    black = np.maximum(outlines(drawing, 1.7), carved)
    worn = np.clip((noise(rng, 90, 2) - 0.16) * 8, 0.2, 1)
    flat = flat_image(drawing)
    step = np.round(flat * 4) / 4 * 0.8 + 0.2 * rgb("#e9c58a")
    image = over(blank("#efe2c4"), step, np.full((WORK, WORK), 0.85, dtype=np.float32) * worn)
    return over(image, "#1a1410", black * worn)


def halftone(drawing: Drawing, rng: np.random.Generator) -> np.ndarray:
    """A comic page: colours printed as screens of dots, one slightly out of place, and a black line."""
    flat = np.clip(_shaded(drawing) * 1.05, 0, 1)
    x, y = grid()
    image = blank("#fffdf2")
    inks = ((0, "#00a6e0", 15), (1, "#ec1f7a", 75), (2, "#ffdd00", 0))
    for channel, ink, angle in inks:
        a = np.deg2rad(angle)
        u, v = x * np.cos(a) + y * np.sin(a), y * np.cos(a) - x * np.sin(a)
        cell = np.hypot((u % 2.4) - 1.2, (v % 2.4) - 1.2) / 1.2
        amount = np.roll(1 - flat[..., channel], 3 * channel, axis=1)
        dots = np.clip((1.32 * np.sqrt(amount) - cell) * 4, 0, 1) * (amount > 0.04)
        image = image * (1 - dots[..., None] * (1 - rgb(ink)))
    return over(image, "#101018", outlines(drawing, 1.9))


def mosaic(drawing: Drawing, rng: np.random.Generator) -> np.ndarray:
    """Small stones set in mortar, each of one colour."""
    flat = flat_image(drawing)
    bold = tuple(replace(p, outlined=p.outlined and np.ptp(p.points) > 40) for p in drawing.parts)
    dark = over(flat, "#3c1712", outlines(replace(drawing, parts=bold), 2.0) * 0.9)
    cell = 2.2
    x, y = grid()
    row = np.floor(y / cell)
    shift = rng.uniform(0, cell, 64)[row.astype(int)]
    column = np.floor((x + shift) / cell)
    stone = (row * 64 + column).astype(int)
    count = np.bincount(stone.ravel(), minlength=stone.max() + 1)
    colour = np.stack(
        [np.bincount(stone.ravel(), dark[..., c].ravel()) / np.maximum(count, 1) for c in range(3)], axis=1
    )
    colour = np.clip(colour * rng.uniform(0.86, 1.12, (len(colour), 1)), 0, 1).astype(np.float32)
    u, v = ((x + shift) % cell) / cell, (y % cell) / cell
    u, v = u + 0.04 * (noise(rng, 60, 1) - 0.5), v + 0.04 * (noise(rng, 60, 1) - 0.5)
    rim = np.minimum(np.minimum(u, 1 - u), np.minimum(v, 1 - v))
    tile = np.clip((rim - 0.06) * 14, 0, 1)
    bevel = 1 + 0.12 * (np.clip(0.25 - v, 0, 1) - np.clip(v - 0.75, 0, 1)) * 4
    return over(blank("#cfc6b8"), np.clip(colour[stone] * bevel[..., None], 0, 1), tile.astype(np.float32))


def embroidery(drawing: Drawing, rng: np.random.Generator) -> np.ndarray:
    """Satin stitch on linen: threads of one direction a part, raised, with a corded edge."""
    x, y = grid()
    weave = 0.5 + 0.25 * np.sin(x * 6.2) + 0.25 * np.sin(y * 6.2)
    image = blank(mix(drawing.paper, "#e8dcc4", 0.55)) * (0.86 + 0.14 * weave[..., None])
    for part, cover in layers(drawing):
        angle = rng.uniform(0, np.pi)
        across = x * np.cos(angle) + y * np.sin(angle) + 0.5 * noise(rng, 10)
        thread = 0.5 + 0.5 * np.sin(across * 2 * np.pi / 1.5)
        sheen = noise(rng, 50, 2, 6)
        light = 0.72 + 0.26 * thread + 0.16 * sheen
        raised = np.clip(cover - blur(cover, 5), 0, 1)
        if part.outlined:
            image = image * (
                1 - 0.5 * (np.roll(blur(cover, 4), (4, 3), axis=(0, 1)) * (1 - cover))[..., None]
            )
        thread_colour = np.clip(rgb(part.colour) * (light - 0.5 * raised)[..., None], 0, 1)
        image = over(image, thread_colour, cover)
    return image
