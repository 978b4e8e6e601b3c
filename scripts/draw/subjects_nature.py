"""Plants and what stands in the sky."""

from __future__ import annotations

import math

from .shapes import INK, Part, blob, box, detail, moved, oval, poly, star, stroke


def maple_leaf() -> list[Part]:
    half = "50,88! 50,8! 57,24 66,18! 64,38 78,30! 76,38 92,38! 82,52 86,58! 68,68 70,74! 52,72!"
    edge = [tuple(map(float, w.rstrip("!").split(","))) for w in half.split()]
    text = (
        " ".join(f"{x},{y}" for x, y in edge[1:]) + " " + " ".join(f"{100 - x},{y}" for x, y in edge[:0:-1])
    )
    return [
        stroke("50,70 50,84 54,97", 2.4, "#8a3a12"),
        poly(text, "#e8641b"),
        *detail(
            stroke("50,74 50,20", 1.3, "#a83f0e"),
            stroke("50,66 78,42", 1.3, "#a83f0e"),
            stroke("50,66 22,42", 1.3, "#a83f0e"),
        ),
    ]


def leaf() -> list[Part]:
    return [
        stroke("22,82 10,94", 2.6, "#4a7a2c"),
        blob("20,84! 16,50 38,22 84,10! 88,52 62,80", "#6fb648"),
        *detail(
            stroke("20,84 48,50 80,16", 1.5, "#3f7a2c"),
            stroke("38,62 34,42", 1.2, "#3f7a2c"),
            stroke("50,48 70,50", 1.2, "#3f7a2c"),
            stroke("56,40 54,26", 1.2, "#3f7a2c"),
        ),
    ]


def tulip() -> list[Part]:
    return [
        stroke("50,50 51,72 48,98", 3, "#4a9a45"),
        blob("50,92! 30,82 24,58! 42,68", "#5aae50"),
        blob("50,94! 70,84 78,62! 58,72", "#5aae50"),
        blob("30,14! 40,24 50,40 44,58 28,50 25,30", "#d8405a"),
        blob("70,14! 60,24 50,40 56,58 72,50 75,30", "#d8405a"),
        blob("50,10! 63,28 60,54 50,60 40,54 37,28", "#ee6a7c"),
    ]


def daisy() -> list[Part]:
    petals = [p for k in range(10) for p in moved([oval(50, 22, 8, 17, "#fffaf2")], turn=36 * k)]
    return [*petals, oval(50, 50, 13, 13, "#f4b22c")]


def sunflower() -> list[Part]:
    petals = [
        p for k in range(14) for p in moved([blob("50,8! 56,20 50,36 44,20", "#f5b71f")], turn=360 / 14 * k)
    ]
    return [
        *petals,
        oval(50, 50, 18, 18, "#6b3f1e"),
        *detail(
            *(
                oval(50 + r * math.cos(a), 50 + r * math.sin(a), 1.3, 1.3, "#a5713a")
                for r, n in ((6, 6), (12, 10))
                for a in (2 * math.pi * k / n for k in range(n))
            )
        ),
    ]


def tree() -> list[Part]:
    return [
        poly("44,94 46,58 54,58 57,94", "#7a5230"),
        oval(30, 44, 20, 18, "#4f9a46"),
        oval(70, 44, 20, 18, "#4f9a46"),
        oval(50, 28, 24, 21, "#62b054"),
        oval(50, 48, 22, 16, "#58a54c"),
    ]


def pine() -> list[Part]:
    return [
        box(44, 80, 12, 16, "#7a5230"),
        poly("50,42 82,82 18,82", "#2f7a4f"),
        poly("50,24 76,60 24,60", "#37895a"),
        poly("50,6 68,38 32,38", "#429a66"),
    ]


def cactus() -> list[Part]:
    return [
        stroke("50,52 24,52 24,34", 11, "#58a05a"),
        stroke("50,60 76,60 76,42", 11, "#58a05a"),
        blob("38,80! 38,26 50,12 62,26 62,80!", "#62ad62"),
        *detail(stroke("46,24 46,74", 1.1, "#3a7a40"), stroke("54,24 54,74", 1.1, "#3a7a40")),
        poly("28,76 72,76 66,96 34,96", "#cf6a3c"),
    ]


def gold_star() -> list[Part]:
    return [star(50, 53, 44, 19, 5, "#f9c22e")]


def sun() -> list[Part]:
    return [
        star(50, 50, 46, 28, 12, "#f9a32b"),
        oval(50, 50, 26, 26, "#fdd043"),
        *detail(oval(41, 46, 3, 4, INK), oval(59, 46, 3, 4, INK), stroke("40,57 50,63 60,57", 1.8)),
    ]


def moon() -> list[Part]:
    return [
        blob("62,8! 36,12 18,34 22,66 44,88 74,86! 52,74 44,50 50,26", "#f4d878"),
        star(78, 30, 7, 3, 5, "#f4d878"),
        star(84, 58, 5, 2, 5, "#f4d878"),
    ]


def heart() -> list[Part]:
    return [
        blob("50,90! 20,64 10,38 20,18 38,16 50,30! 62,16 80,18 90,38 80,64", "#e23a4e"),
        *detail(oval(28, 34, 6, 9, "#f79aa4", 30)),
    ]


NATURE = {
    f.__name__.replace("_", "-"): f
    for f in (maple_leaf, leaf, tulip, daisy, sunflower, tree, pine, cactus, gold_star, sun, moon, heart)
}
