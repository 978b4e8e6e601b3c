"""Fish that are no goldfish, and others that live in the sea."""

from __future__ import annotations

import math

from .shapes import INK, WHITE, Part, blob, box, detail, oval, poly, star, stroke, within


def _eye(x: float, y: float, r: float = 4.0) -> list[Part]:
    return [oval(x, y, r, r, WHITE), *detail(oval(x, y, r * 0.6, r * 0.6, INK))]


def clownfish() -> list[Part]:
    """Orange, slender, with three white bands edged in black and round fins."""
    body = blob("8,52 20,38 42,31 64,36 80,46 80,57 64,67 42,72 20,66", "#f26a1b")
    bands = [box(x - 1.5, 20, w + 3, 60, INK) for x, w in ((27, 8), (49, 9), (72, 5))] + [
        box(x, 20, w, 60, WHITE) for x, w in ((27, 8), (49, 9), (72, 5))
    ]
    return [
        oval(88, 51, 9, 13, "#f26a1b"),
        *detail(stroke("92,39 97,51 92,63", 2.4)),
        blob("34,34! 40,24 52,27 58,23 70,30 72,42!", "#f26a1b"),
        blob("44,70! 52,80 64,78 66,66!", "#f26a1b"),
        body,
        *within(body, *bands),
        oval(42, 58, 6, 8, "#f78a3a", 20),
        *_eye(18, 47, 3.6),
        *detail(stroke("9,56 15,58", 1.3)),
    ]


def tang() -> list[Part]:
    """A flat, round blue fish with a yellow tail."""
    body = oval(46, 50, 34, 27, "#2456c8")
    return [
        poly("76,50 96,32 90,50 96,68", "#f5cf2c"),
        blob("20,34! 34,16 60,16 76,36!", "#1b3f9a"),
        blob("24,66! 40,84 60,82 76,62!", "#1b3f9a"),
        body,
        *within(body, blob("34,34 58,30 80,44 62,46 54,58 40,54 34,46", "#101c4a")),
        *_eye(22, 46, 3.8),
        *detail(stroke("12,55 18,57", 1.3)),
    ]


def angelfish() -> list[Part]:
    """Tall triangle fins, black bars on silver yellow."""
    body = blob("12,50 28,36 48,30 66,38 74,46 74,54 66,62 48,70 28,64", "#f3e08a")
    return [
        poly("72,50 94,38 90,50 94,62", "#e8c84a"),
        blob("34,34! 52,6 76,2! 62,30 66,40!", "#e8c84a"),
        blob("34,66! 52,94 76,98! 62,70 66,60!", "#e8c84a"),
        body,
        *within(body, box(24, 20, 6, 60, INK), box(44, 20, 7, 60, INK), box(62, 20, 5, 60, INK)),
        *_eye(21, 47, 3.2),
    ]


def puffer() -> list[Part]:
    """A prickly ball with a small tail."""
    spikes = star(50, 50, 42, 29, 22, "#b89a4a")
    body = oval(50, 50, 33, 32, "#d8bc68")
    return [
        blob("80,46! 94,40 97,50 94,60 80,54!", "#c9a950"),
        spikes,
        body,
        *within(body, blob("10,58 50,64 90,58 80,96 20,96", "#fbf4dc")),
        *detail(
            *(oval(x, y, 2.4, 2, "#8a6c26") for x, y in ((42, 26), (56, 30), (66, 40), (48, 38), (70, 54)))
        ),
        blob("56,52! 68,50 68,62 58,60!", "#c9a950"),
        *_eye(32, 42, 7),
        oval(20, 56, 4, 3, "#c77a5a"),
    ]


def shark() -> list[Part]:
    body = blob("4,52 22,40 46,36 70,42 84,47 84,53 66,60 40,64 18,61", "#6d8296")
    return [
        poly("42,38 54,14 62,40", "#5c7084"),
        poly("82,50 96,24 93,50 97,68", "#5c7084"),
        body,
        *within(body, blob("2,58 30,56 60,57 84,52 60,72 10,72", "#e9eef2")),
        poly("40,58 44,80 56,58", "#5c7084"),
        *detail(
            *(stroke(f"{x},46 {x + 1.5},50 {x},55", 1.2, "#4a5b6c") for x in (30, 34, 38)),
            oval(18, 47, 2.2, 2.2, INK),
            stroke("8,57 16,59 24,56", 1.3),
        ),
    ]


def eel() -> list[Part]:
    """A long ribbon of a fish."""
    return [
        blob("6,34 16,26 28,30 36,44 48,56 62,50 74,36 96,28! 84,50 68,68 48,74 32,64 22,48 8,44", "#4d7a5a"),
        *detail(stroke("24,32 36,50 48,64 64,58 84,38", 1.5, "#8fc09a")),
        *_eye(14, 34, 3),
        *detail(stroke("6,40 14,42", 1.2)),
    ]


def flatfish() -> list[Part]:
    body = blob("10,50 28,28 54,24 74,40 80,47 80,53 74,60 54,76 28,72", "#9a7a55")
    return [
        blob("8,50 26,18 56,14 80,42 80,58 56,86 26,82", "#7d6040"),
        poly("78,50 96,36 94,64", "#7d6040"),
        body,
        *within(
            body,
            *(
                oval(x, y, 3.4, 2.6, "#c9a97c")
                for x, y in ((36, 38), (52, 34), (62, 48), (48, 56), (36, 62), (58, 64), (44, 46))
            ),
        ),
        *_eye(20, 42, 3.4),
        *_eye(22, 55, 3.4),
    ]


def whale() -> list[Part]:
    body = blob("6,56 12,34 36,24 60,34 74,52 84,46! 90,58 76,74 44,82 16,76", "#3f78b0")
    return [
        blob("82,50! 74,32 84,26! 88,36 98,28! 98,42 90,54!", "#3f78b0"),
        body,
        *within(body, blob("4,62 30,66 56,66 70,76 40,92 6,90", "#d5e6f2")),
        *detail(oval(26, 52, 2.8, 3.2, INK), stroke("10,62 22,66 32,64", 1.4)),
        blob("42,66! 56,70 54,84 44,80", "#32628f"),
        *detail(stroke("36,24 36,14 28,8", 2, "#7fc3e8"), stroke("36,14 44,8", 2, "#7fc3e8")),
    ]


def crab() -> list[Part]:
    red = "#de4a2a"
    return [
        *(
            stroke(f"{50 + s * 26},{y} {50 + s * 40},{y + 4} {50 + s * 44},{y + 16}", 3.4, red)
            for s in (-1, 1)
            for y in (60, 68)
        ),
        stroke("28,50 16,40 18,28", 4.5, red),
        stroke("72,50 84,40 82,28", 4.5, red),
        blob("18,30! 6,24 8,8 20,6! 18,16 28,8! 30,22", red),
        blob("82,30! 94,24 92,8 80,6! 82,16 72,8! 70,22", red),
        oval(50, 62, 30, 20, red),
        stroke("42,46 40,34", 2, red),
        stroke("58,46 60,34", 2, red),
        *_eye(40, 32, 4.4),
        *_eye(60, 32, 4.4),
        *detail(stroke("40,68 50,73 60,68", 1.6)),
    ]


def octopus() -> list[Part]:
    skin = "#b0589a"
    arms = [
        stroke(f"{x},56 {x + d},74 {x + d * 1.6},84 {x + d * 2.4},78", 7.5, skin)
        for x, d in ((30, -7), (40, -3), (60, 3), (70, 7))
    ]
    return [
        *arms,
        stroke("50,60 48,78 52,92", 7.5, skin),
        blob("50,8 74,18 80,40 72,62 50,68 28,62 20,40 26,18", skin),
        *_eye(40, 42, 6),
        *_eye(60, 42, 6),
        *detail(stroke("42,56 50,60 58,56", 1.8)),
    ]


def starfish() -> list[Part]:
    return [
        star(50, 53, 45, 19, 5, "#f08a3c"),
        *detail(
            *(
                oval(50 + r * math.cos(a), 53 + r * math.sin(a), 2, 2, "#ffd9a8")
                for a in (k * 2 * math.pi / 5 - math.pi / 2 for k in range(5))
                for r in (12, 21, 30)
            )
        ),
    ]


def jellyfish() -> list[Part]:
    return [
        *(stroke(f"{x},48 {x + 5},62 {x - 4},76 {x + 3},92", 2.4, "#c79ad8") for x in (30, 40, 50, 60, 70)),
        blob("16,50! 20,24 50,8 80,24 84,50! 72,46 62,52 50,46 38,52 28,46", "#dcb2ea"),
        *detail(oval(38, 26, 7, 4, "#f6e4fb", -30)),
    ]


SEA = {
    "clownfish": clownfish,
    "tang": tang,
    "angelfish": angelfish,
    "puffer": puffer,
    "shark": shark,
    "eel": eel,
    "flatfish": flatfish,
    "whale": whale,
    "crab": crab,
    "octopus": octopus,
    "starfish": starfish,
    "jellyfish": jellyfish,
}
