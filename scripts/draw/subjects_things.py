"""Balls, vehicles and household things."""

from __future__ import annotations

import math

from .shapes import INK, WHITE, Part, blob, box, detail, moved, oval, poly, star, stroke, within


def basketball() -> list[Part]:
    ball = oval(50, 50, 38, 38, "#e8772e")
    return [
        ball,
        *within(
            ball,
            stroke("12,50 88,50", 1.8),
            stroke("50,12 50,88", 1.8),
            stroke("24,20 38,36 38,64 24,80", 1.8),
            stroke("76,20 62,36 62,64 76,80", 1.8),
        ),
    ]


def tennis_ball() -> list[Part]:
    ball = oval(50, 50, 36, 36, "#cfe04a")
    return [
        ball,
        *within(
            ball, stroke("18,24 38,38 38,62 18,78", 2.6, WHITE), stroke("82,24 62,38 62,62 82,78", 2.6, WHITE)
        ),
    ]


def football() -> list[Part]:
    ball = oval(50, 50, 38, 38, "#fafafa")
    around = [
        part
        for k in range(5)
        for part in moved([star(50, 14, 11, 9, 5, INK, 36), stroke("50,38 50,24", 1.6)], turn=72 * k)
    ]
    return [ball, *within(ball, *around, star(50, 50, 13, 10.6, 5, INK))]


def beach_ball() -> list[Part]:
    ball = oval(50, 50, 39, 39, WHITE)
    wedges = [
        part
        for k in range(3)
        for part in moved(
            [blob("50,50! 36,26 40,4! 66,4! 62,28", ("#e2463c", "#f3b02c", "#3f86c9")[k])], turn=120 * k
        )
    ]
    return [ball, *within(ball, *wedges), oval(50, 50, 5, 5, WHITE)]


def balloon() -> list[Part]:
    return [
        stroke("50,72 46,82 54,90 50,99", 1.3),
        blob("50,6 70,14 77,36 66,58 50,70 34,58 23,36 30,14", "#e0384a"),
        poly("50,68 45,75 55,75", "#b8263a"),
        *detail(oval(39, 26, 5, 9, "#f79aa0", 20)),
    ]


def sailing_boat() -> list[Part]:
    return [
        stroke("48,8 48,70", 2.4, "#7a5230"),
        blob("52,10! 72,34 82,62! 52,62!", "#f6efe0"),
        blob("44,18! 32,40 18,62! 44,62!", "#e2553c"),
        blob("10,68! 90,68! 78,86 24,86", "#3a6ea5"),
        *detail(stroke("2,92 18,88 34,92 50,88 66,92 82,88 98,92", 2, "#4a9ac0")),
    ]


def car() -> list[Part]:
    return [
        blob("22,50! 34,28 44,24 66,24 76,30 84,50!", "#d8382e"),
        *detail(poly("36,48 42,32 54,31 54,48", "#cfeaf5"), poly("58,48 58,31 68,32 76,48", "#cfeaf5")),
        blob("6,52 14,46 88,46 96,56 95,70 5,70", "#e2453a"),
        oval(26, 70, 12, 12, "#30343c"),
        oval(74, 70, 12, 12, "#30343c"),
        oval(26, 70, 5, 5, "#d0d4da"),
        oval(74, 70, 5, 5, "#d0d4da"),
        *detail(oval(92, 56, 3, 3, "#ffe58a")),
    ]


def rocket() -> list[Part]:
    return [
        blob("42,76! 46,96 50,99! 54,96 58,76!", "#f59a1f"),
        blob("34,54! 18,70 20,86! 36,74!", "#d8382e"),
        blob("66,54! 82,70 80,86! 64,74!", "#d8382e"),
        blob("50,4! 66,24 70,50 62,78! 38,78! 30,50 34,24", "#eef1f5"),
        *detail(blob("50,4! 62,18 64,24 36,24 38,18", "#d8382e")),
        oval(50, 42, 9, 9, "#5fb0de"),
    ]


def house() -> list[Part]:
    return [
        box(64, 14, 9, 22, "#a8553c"),
        box(20, 44, 60, 46, "#f3dfb0"),
        poly("10,48 50,12 90,48", "#c9472f"),
        box(42, 62, 16, 28, "#7a4a2c"),
        box(26, 54, 11, 12, "#9fd4ea"),
        box(64, 54, 11, 12, "#9fd4ea"),
    ]


def lighthouse() -> list[Part]:
    tower = poly("38,34 62,34 68,90 32,90", "#fbf8f0")
    return [
        blob("8,96! 20,86 50,88 80,86 92,96!", "#7a7f86"),
        tower,
        *within(tower, box(20, 46, 60, 11, "#d8382e"), box(20, 68, 60, 11, "#d8382e")),
        box(40, 20, 20, 14, "#ffe48a"),
        poly("36,21 50,8 64,21", "#b52c26"),
        box(34, 33, 32, 4, "#4a4f58"),
    ]


def cup() -> list[Part]:
    return [
        Part(stroke("68,40 88,42 86,64 66,68").points, "#3f8f8a", width=5),
        blob("18,30! 74,30! 72,70 64,84 28,84 20,70", "#4fa8a2"),
        oval(46, 30, 28, 6, "#6b4226"),
        *detail(stroke("36,20 32,12 38,4", 1.8, "#b0b8c0"), stroke("52,20 48,12 54,4", 1.8, "#b0b8c0")),
    ]


def teapot() -> list[Part]:
    return [
        stroke("78,44 94,46 92,66 76,70", 5, "#b5508a"),
        blob("28,56! 14,44 4,34! 14,30 26,42 34,48!", "#c86a9c"),
        blob("50,34 74,42 80,64 68,84 32,84 20,64 26,42", "#d67fae"),
        blob("32,38! 36,28 64,28 68,38!", "#c86a9c"),
        oval(50, 23, 5, 5, "#b5508a"),
        *detail(*(oval(x, y, 4, 4, WHITE) for x, y in ((38, 60), (52, 68), (64, 58)))),
    ]


def umbrella() -> list[Part]:
    return [
        stroke("50,20 50,80 56,90 66,86 66,80", 2.6, "#6b4a30"),
        blob(
            "6,52! 14,26 34,12 50,10 66,12 86,26 94,52! 80,46 72,52! 60,46 50,52! 40,46 28,52! 20,46",
            "#8a5ac0",
        ),
        *detail(stroke("50,10 36,26 28,50", 1.2, "#5c3590"), stroke("50,10 64,26 72,50", 1.2, "#5c3590")),
    ]


def key() -> list[Part]:
    return [
        box(40, 46, 52, 8, "#d9a92c"),
        box(76, 54, 6, 12, "#d9a92c"),
        box(86, 54, 6, 15, "#d9a92c"),
        oval(26, 50, 20, 20, "#e0b43a"),
        oval(24, 50, 9, 9, "#fffdf5"),
    ]


def book() -> list[Part]:
    return [
        poly("6,22 50,30 94,22 94,80 50,88 6,80", "#34609a"),
        blob("10,20! 30,18 50,28! 50,82! 30,74 10,76!", "#fffaf0"),
        blob("90,20! 70,18 50,28! 50,82! 70,74 90,76!", "#fffaf0"),
        *detail(
            *(
                stroke(f"{x},{y} {x + 26},{y + d}", 1.1, "#9aa0a8")
                for x, d in ((17, 4), (57, -4))
                for y in (36, 46, 56)
            )
        ),
    ]


def clock() -> list[Part]:
    return [
        oval(50, 52, 40, 40, "#4a7fb5"),
        oval(50, 52, 33, 33, "#fffdf5"),
        *detail(
            *(
                oval(50 + 28 * math.cos(a), 52 + 28 * math.sin(a), 1.8, 1.8, INK)
                for a in (k * math.pi / 6 for k in range(12))
            ),
            stroke("50,52 50,30", 2.4),
            stroke("50,52 66,60", 2.4),
            oval(50, 52, 3, 3, "#d8382e"),
        ),
    ]


def guitar() -> list[Part]:
    parts = [
        box(46, 6, 8, 50, "#6b4226"),
        box(43, 2, 14, 12, "#4a2d18"),
        blob("50,44 64,46 66,58 62,64 74,74 70,92 50,97 30,92 26,74 38,64 34,58 36,46", "#d98a3a"),
        oval(50, 66, 8, 8, "#3a2214"),
        box(42, 82, 16, 4, "#4a2d18"),
    ]
    return [
        *moved([*parts, *detail(*(stroke(f"{x},10 {x},84", 0.7, "#f5efe0") for x in (48, 50, 52)))], turn=28)
    ]


def hat() -> list[Part]:
    crown = blob("28,64! 26,34 36,18 64,18 74,34 72,64!", "#7a5a8f")
    return [oval(50, 68, 44, 13, "#6a4a80"), crown, *within(crown, box(10, 52, 80, 11, "#e2b43a"))]


def candle() -> list[Part]:
    return [
        blob("50,6! 60,24 56,36 50,38 44,36 40,24", "#f79a1f"),
        *detail(blob("50,18! 54,28 50,35 46,28", "#fff0a0"), stroke("50,44 50,34", 1.5)),
        box(38, 44, 24, 42, "#f5ead2"),
        oval(50, 88, 28, 8, "#b08a3a"),
    ]


def kite() -> list[Part]:
    return [
        stroke("50,70 44,78 54,84 46,92 52,99", 1.4),
        poly("50,4 80,34 50,72 20,34", "#e2a32c"),
        *detail(poly("50,4 50,34 20,34", "#3f8fc0"), poly("50,34 80,34 50,72", "#d8483a")),
        poly("44,82 54,78 54,86", "#3f8fc0"),
        poly("42,93 52,88 52,97", "#d8483a"),
    ]


def bell() -> list[Part]:
    return [
        oval(50, 82, 7, 7, "#b0761c"),
        blob("16,78! 26,66 28,36 42,18 58,18 72,36 74,66 84,78!", "#f0b530"),
        oval(50, 14, 5, 5, "#d8982a"),
        *detail(stroke("22,72 78,72", 1.8, "#b0761c")),
    ]


def lamp() -> list[Part]:
    return [
        box(47, 44, 6, 42, "#8a6a4a"),
        oval(50, 88, 22, 6, "#8a6a4a"),
        poly("34,10 66,10 84,50 16,50", "#f3c878"),
    ]


def vase() -> list[Part]:
    body = blob("40,24! 38,36 24,54 28,80 40,94! 60,94! 72,80 76,54 62,36 60,24!", "#e0703a")
    return [
        body,
        *within(
            body,
            stroke("20,58 34,52 50,58 66,52 82,58", 2.6, "#fbe6c0"),
            stroke("20,70 34,64 50,70 66,64 82,70", 2.6, "#fbe6c0"),
        ),
        oval(50, 24, 12, 3.5, "#8a3c18"),
    ]


THINGS = {
    f.__name__.replace("_", "-"): f
    for f in (
        basketball,
        tennis_ball,
        football,
        beach_ball,
        balloon,
        sailing_boat,
        car,
        rocket,
        house,
        lighthouse,
        cup,
        teapot,
        umbrella,
        key,
        book,
        clock,
        guitar,
        hat,
        candle,
        kite,
        bell,
        lamp,
        vase,
    )
}
