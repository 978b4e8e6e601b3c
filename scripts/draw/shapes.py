"""Shapes on a 100 by 100 sheet (y points down): what a subject is made of, before any style is chosen."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

INK = "#2b2024"
WHITE = "#ffffff"


@dataclass(frozen=True)
class Part:
    """A filled shape, or a stroke where `width` is above 0; `points` is (n, 2) on the 100 by 100 sheet."""

    points: np.ndarray
    colour: str
    width: float = 0.0
    outlined: bool = True  # styles with outlines draw one around this part
    inside: np.ndarray | None = None  # the part shows only inside this polygon


@dataclass(frozen=True)
class Drawing:
    """Parts from back to front on a paper colour; `face` (x, y, size) is where a cute style puts a face."""

    parts: tuple[Part, ...]
    paper: str = WHITE
    face: tuple[float, float, float] | None = None


def parse(text: str) -> tuple[np.ndarray, list[bool]]:
    """Points from "x,y x,y! ...": an exclamation mark makes a corner of a point."""
    words = text.split()
    points = [[float(v) for v in word.rstrip("!").split(",")] for word in words]
    return np.array(points), [word.endswith("!") for word in words]


def smooth(text: str, closed: bool = True, steps: int = 10) -> np.ndarray:
    """A Catmull-Rom curve through the points of `text`, pointed where the text says so: (n, 2)."""
    points, corners = parse(text)
    count = len(points)
    curve = []
    for i in range(count if closed else count - 1):
        j = (i + 1) % count
        start, end = points[i], points[j]
        before = start if corners[i] or (not closed and i == 0) else points[i - 1]
        after = end if corners[j] or (not closed and j == count - 1) else points[(j + 1) % count]
        for t in np.arange(steps) / steps:
            curve.append(
                0.5
                * (
                    2 * start
                    + (end - before) * t
                    + (2 * before - 5 * start + 4 * end - after) * t**2
                    + (3 * start - before - 3 * end + after) * t**3
                )
            )
    if not closed:
        curve.append(points[-1])
    return np.array(curve)


def blob(text: str, colour: str) -> Part:
    """A closed smooth shape."""
    return Part(smooth(text), colour)


def poly(text: str, colour: str) -> Part:
    """A polygon, its sides cut into short pieces so that wobbling styles can bend them."""
    corners, _ = parse(text)
    pieces = [
        a + (b - a) * t
        for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True)
        for t in np.arange(8)[:, None] / 8
    ]
    return Part(np.array(pieces), colour)


def box(x: float, y: float, width: float, height: float, colour: str) -> Part:
    return poly(f"{x},{y} {x + width},{y} {x + width},{y + height} {x},{y + height}", colour)


def oval(cx: float, cy: float, rx: float, ry: float, colour: str, turn: float = 0.0) -> Part:
    """An ellipse turned clockwise by `turn` degrees."""
    angle = np.linspace(0, 2 * math.pi, 64, endpoint=False)
    c, s = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    x, y = rx * np.cos(angle), ry * np.sin(angle)
    return Part(np.stack([cx + c * x - s * y, cy + s * x + c * y], axis=1), colour)


def star(cx: float, cy: float, outer: float, inner: float, tips: int, colour: str, turn: float = 0) -> Part:
    text = []
    for i in range(2 * tips):
        radius = inner if i % 2 else outer
        angle = math.radians(turn - 90) + math.pi * i / tips
        text.append(f"{cx + radius * math.cos(angle)},{cy + radius * math.sin(angle)}")
    return poly(" ".join(text), colour)


def stroke(text: str, width: float = 1.2, colour: str = INK) -> Part:
    """An open smooth line."""
    return Part(smooth(text, closed=False), colour, width=width)


def detail(*parts: Part) -> list[Part]:
    """The same parts, without outlines of their own."""
    return [replace(part, outlined=False) for part in parts]


def within(host: Part, *parts: Part) -> list[Part]:
    """The same parts, seen only inside `host` and without outlines of their own."""
    return [replace(part, outlined=False, inside=host.points) for part in parts]


def moved(
    parts: Iterable[Part],
    *,
    scale: float = 1.0,
    turn: float = 0.0,
    flip: bool = False,
    shift: tuple[float, float] = (0.0, 0.0),
) -> tuple[Part, ...]:
    """Parts mirrored, then turned by `turn` degrees and scaled about the sheet's middle, then shifted."""
    c, s = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    matrix = scale * np.array([[c, s], [-s, c]]) * np.array([[-1.0 if flip else 1.0], [1.0]])

    def place(points: np.ndarray) -> np.ndarray:
        return (points - 50) @ matrix + 50 + np.array(shift)

    return tuple(
        replace(
            part,
            points=place(part.points),
            width=part.width * scale,
            inside=None if part.inside is None else place(part.inside),
        )
        for part in parts
    )


def rgb(colour: str) -> np.ndarray:
    """The colour's red, green and blue in 0..1: (3,) float32."""
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], dtype=np.float32) / 255


def to_hex(values: Iterable[float]) -> str:
    return "#" + "".join(f"{round(255 * min(1.0, max(0.0, float(v)))):02x}" for v in values)


def mix(a: str, b: str, share: float) -> str:
    """`a` with `share` of `b` in it."""
    return to_hex(rgb(a) * (1 - share) + rgb(b) * share)


def luminance(colour: str) -> float:
    return float(rgb(colour) @ np.array([0.299, 0.587, 0.114]))
