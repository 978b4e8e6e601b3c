"""What lies behind a subject: tinted sheets, discs, water, a glass bowl, hills."""

from __future__ import annotations

import numpy as np

from .shapes import WHITE, Part, blob, box, detail, mix, oval, stroke, within


def plain(colour: str, rng: np.random.Generator) -> list[Part]:
    return []


def disc(colour: str, rng: np.random.Generator) -> list[Part]:
    return detail(oval(50, 50, 45, 45, mix(colour, "#4060a0", 0.25)))


def water(colour: str, rng: np.random.Generator) -> list[Part]:
    """Weeds, pebbles and bubbles."""
    sea = mix(colour, "#2c7fb0", 0.35)
    parts = detail(blob("-10,86 20,80 50,85 80,79 112,86 112,112 -10,112", mix(sea, "#c9a86a", 0.6)))
    for x in (7.0, 15.0, 86.0, 94.0):
        sway = float(rng.uniform(2, 5))
        tall = float(rng.uniform(38, 66))
        parts.append(
            blob(
                f"{x - 2},95! {x - 2 - sway},80 {x - 1 + sway},{(95 + tall) / 2} {x - sway},{tall}! "
                f"{x + 3 + sway},{(95 + tall) / 2} {x + 2 - sway},80 {x + 3},95!",
                "#3f9a55" if x % 2 else "#2f7f5f",
            )
        )
    bubbles = [(rng.uniform(6, 94), rng.uniform(5, 26), rng.uniform(1.4, 3.2)) for _ in range(6)]
    for x, y, r in bubbles:
        parts += detail(
            oval(x, y, r, r, mix(sea, WHITE, 0.65)), oval(x, y, r * 0.7, r * 0.7, mix(sea, WHITE, 0.3))
        )
        parts += detail(oval(x - r / 3, y - r / 3, r / 4, r / 4, WHITE))
    return parts


def bowl(colour: str, rng: np.random.Generator) -> list[Part]:
    """A round glass bowl with water, gravel and a weed; the subject belongs in its middle, small."""
    glass = oval(50, 54, 44, 41, mix(colour, "#e8f6fb", 0.6))
    level = box(0, 32, 100, 70, "#a9dcec")
    gravel = blob("0,84 25,81 50,85 75,81 100,84 100,110 0,110", "#d9b98a")
    weed = blob("76,88! 72,74 79,64 75,50! 84,62 79,74 82,88!", "#4caf6a")
    rim = oval(50, 15, 27, 4, "#d8eef5")
    return [glass, *within(glass, level, gravel, weed), rim, *detail(stroke("14,44 17,34 24,26", 1.8, WHITE))]


def hills(colour: str, rng: np.random.Generator) -> list[Part]:
    return detail(
        blob("-12,74 16,66 44,76 76,64 112,74 112,112 -12,112", mix(colour, "#7fae5a", 0.7)),
        blob("-12,88 30,80 70,88 112,82 112,114 -12,114", mix(colour, "#5c934a", 0.75)),
    )


def dots(colour: str, rng: np.random.Generator) -> list[Part]:
    tint = mix(colour, WHITE, 0.45)
    return detail(
        *(
            oval(x + 8 * (y % 32 == 8), y, 2.6, 2.6, tint)
            for y in range(8, 100, 16)
            for x in range(4, 104, 16)
        )
    )


def shadow(colour: str, rng: np.random.Generator) -> list[Part]:
    return detail(oval(50, 90, 34, 5, mix(colour, "#303048", 0.3)))


GROUNDS = {f.__name__: f for f in (plain, disc, water, bowl, hills, dots, shadow)}
