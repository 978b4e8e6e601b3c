"""The goldfish: one anatomy, many appearances. It is drawn facing left and posed afterwards."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from .shapes import INK, WHITE, Part, blob, detail, mix, oval, smooth, stroke, within

TAILS = {
    "fork": (
        "70,45! 78,38 86,26 97,17 95,31 89,43 83,50! 89,58 95,70 96,83 86,74 78,62 70,55!",
        ("74,47 83,38 93,24", "75,49 84,43 91,36", "75,51 84,57 91,66", "74,53 82,62 92,77"),
    ),
    "fan": (
        "69,45! 77,36 87,25 98,24 96,32 99,39 95,45 98,51 95,58 99,65 95,71 97,79 86,76 77,64 69,55!",
        (
            "74,46 84,36 95,28",
            "75,49 85,43 96,39",
            "76,50 87,50 96,51",
            "75,52 86,58 96,65",
            "74,54 84,65 94,75",
        ),
    ),
    "veil": (
        "69,45! 78,37 88,33 97,22 98,38 91,50 96,62 92,76 96,92 84,84 80,70 74,62 69,55!",
        ("74,47 86,40 95,29", "75,50 86,52 93,62", "74,52 83,62 89,78", "73,54 80,68 91,87"),
    ),
    "butterfly": (
        "70,45! 74,36 82,22 96,12 99,26 94,38 84,49! 92,55 98,70 97,86 84,80 75,64 70,55!",
        ("74,46 83,34 94,18", "75,49 85,41 95,30", "75,51 85,58 94,74", "74,53 82,64 93,81"),
    ),
}
DORSALS = {
    "sail": (
        "31,33! 36,20 44,11 56,11 69,18 64,25 66,31 65,40!",
        ("42,30 44,21 47,14", "50,30 53,22 58,14", "57,33 61,26 66,20"),
    ),
    "low": (
        "28,35! 36,24 48,20 60,23 70,31 66,35 66,41!",
        ("38,31 42,25 45,22", "48,31 52,26 56,23", "57,34 61,30 66,30"),
    ),
    "crest": (
        "34,32! 34,21 39,9 47,15 52,11 57,18 64,16 64,25 70,26 66,33 66,41!",
        ("40,30 40,20 40,13", "48,30 50,22 52,15", "56,32 60,25 64,20"),
    ),
}


@dataclass(frozen=True)
class Appearance:
    """One goldfish: its colours, its build and its fins."""

    body: str = "#f5821f"
    belly: str = "#ffc04d"
    fin: str = "#ff9d3b"
    patch: str | None = None  # a second colour in large spots
    plump: float = 1.0  # body height
    tail: str = "fork"
    dorsal: str = "sail"
    eye: float = 5.0  # radius
    bend: float = 0.0  # how far the tail swings down
    scales: bool = True
    blush: bool = False  # rosy cheeks, for the cute one


def goldfish(fish: Appearance) -> tuple[Part, ...]:
    """The parts of a goldfish that faces left, back to front."""
    line = mix(fish.body, "#5a1500", 0.55)
    body = blob(
        "11,52 13,45 19,37 30,30.5 45,28 58,33 67,41 74,46! 74,54! 67,60 58,67 44,71.5 30,69 19,63 12.5,57",
        fish.body,
    )
    body = replace(body, points=_plumper(body.points, fish.plump))
    parts = [
        *_fins_behind(fish, line),
        body,
        *_skin(fish, body, line),
        *_front_fin(fish, line),
    ]
    parts += _head(fish, line)
    return tuple(_bent(parts, fish.bend))


def _fins_behind(fish: Appearance, line: str) -> list[Part]:
    tail, rays = TAILS[fish.tail]
    parts: list[Part] = []
    far = mix(fish.fin, fish.body, 0.6)
    if fish.tail in ("fan", "veil", "butterfly"):  # the fancy breeds' second tail, behind the first
        hidden = smooth("69,46! 76,42 86,40 95,50 88,60 78,58 69,54!") + np.array([1.0, 2.0])
        parts.append(Part(hidden, mix(far, line, 0.15)))
    parts.append(blob("54,64! 62,66 70,76 67,81 60,77 54,70!", far))
    parts.append(blob(tail, fish.fin))
    parts += [stroke(ray, 0.9, mix(fish.fin, line, 0.6)) for ray in rays]
    shape, rays = DORSALS[fish.dorsal]
    fin = blob(shape, fish.fin)
    fin = replace(fin, points=fin.points - np.array([0, (fish.plump - 1) * 18]))
    parts.append(fin)
    parts += within(fin, *(_lifted(stroke(ray, 0.9, mix(fish.fin, line, 0.6)), fish) for ray in rays))
    pelvic = blob("36,66! 42,67 50,74 55,85 46,84 38,76!", fish.fin)
    parts.append(replace(pelvic, points=pelvic.points + np.array([0, (fish.plump - 1) * 16])))
    return parts


def _lifted(part: Part, fish: Appearance) -> Part:
    return replace(part, points=part.points - np.array([0, (fish.plump - 1) * 18]))


def _plumper(points: np.ndarray, plump: float) -> np.ndarray:
    """Heightens the belly and back, and leaves the tail's root and the snout as they are."""
    x = points[:, 0]
    share = np.clip((x - 12) / 18, 0, 1) * np.clip((74 - x) / 20, 0, 1)
    out = points.copy()
    out[:, 1] = 50 + (points[:, 1] - 50) * (1 + (plump - 1) * share)
    return out


def _skin(fish: Appearance, body: Part, line: str) -> list[Part]:
    low = 50 + 20 * fish.plump
    parts = within(body, blob(f"8,58 24,60 42,{low - 9} 58,61 76,52 70,90 20,90", fish.belly))
    if fish.patch:
        parts += within(
            body,
            blob("36,22 52,24 56,38 46,45 36,40", fish.patch),
            blob("60,38 70,40 76,50 68,55 60,50", fish.patch),
            blob("16,36 26,34 30,42 20,45", fish.patch),
        )
    if fish.scales:
        for row, y in enumerate(range(34, 68, 6)):
            for x in range(38 + 3 * (row % 2), 70, 6):
                if abs(y - 50) < 17 - (x - 42) * 0.28:
                    parts += within(
                        body,
                        stroke(f"{x},{y - 3} {x + 2.6},{y} {x},{y + 3}", 0.9, mix(fish.body, line, 0.55)),
                    )
    return parts


def _front_fin(fish: Appearance, line: str) -> list[Part]:
    fin = blob("38,57! 45,55 54,60 56,68 48,68 41,64!", mix(fish.fin, fish.belly, 0.3))
    rays = [stroke(ray, 0.8, mix(fish.fin, line, 0.6)) for ray in ("42,59 47,60 52,63", "42,61 46,63 50,66")]
    return [fin, *within(fin, *rays)]


def _head(fish: Appearance, line: str) -> list[Part]:
    r = fish.eye
    white = oval(24, 47, r, r, WHITE)
    pupil = oval(23.4, 47.2, r * 0.62, r * 0.66, INK)
    cheek = oval(30, 56, 4.2, 2.6, "#ff7f86")
    return [
        *detail(stroke("33,38 37,46 37,54 33,62", 1.3, line)),
        *(detail(cheek) if fish.blush else ()),
        white,
        *detail(pupil, oval(22.2, 45.4, r * 0.24, r * 0.24, WHITE)),
        *detail(stroke("12.5,54.5 16,56.5 19,56", 1.5, line)),
    ]


def _bent(parts: Iterable[Part], bend: float) -> list[Part]:
    """Swings everything behind the middle down (or up) like a swimming fish's tail."""

    def swing(points: np.ndarray) -> np.ndarray:
        out = points.copy()
        out[:, 1] += bend * np.clip((points[:, 0] - 45) / 50, 0, None) ** 2
        return out

    return [
        replace(part, points=swing(part.points), inside=None if part.inside is None else swing(part.inside))
        for part in parts
    ]
