"""Fruit, vegetables and other things to eat, each a few shapes."""

from __future__ import annotations

from .shapes import INK, WHITE, Part, blob, box, detail, moved, oval, poly, star, stroke, within

GREEN, DARK_GREEN, BROWN = "#5aa843", "#2f7a3a", "#7a4a28"


def apple() -> list[Part]:
    body = blob("50,30 66,24 82,36 82,58 70,82 58,88 50,84 42,88 30,82 18,58 18,36 34,24", "#d9302f")
    shine = within(body, oval(32, 42, 6, 11, "#f4817a", 20))
    return [body, *shine, stroke("50,31 52,20 58,12", 3, BROWN), blob("55,20! 66,10 80,12! 70,22", GREEN)]


def orange() -> list[Part]:
    body = oval(50, 54, 34, 33, "#f78f1e")
    pores = [
        oval(x, y, 1, 1, "#d9700c")
        for x, y in ((36, 50), (45, 66), (58, 60), (66, 46), (52, 44), (60, 74), (34, 66))
    ]
    return [
        body,
        *detail(*pores),
        *within(body, oval(38, 40, 8, 5, "#ffc680", -30)),
        star(50, 24, 6, 2.5, 5, DARK_GREEN),
        blob("51,22! 62,10 78,13! 68,24", GREEN),
    ]


def orange_slice() -> list[Part]:
    rind = oval(50, 50, 38, 38, "#f7861b")
    parts = [rind, *detail(oval(50, 50, 33, 33, "#fff0d2"))]
    wedge = "50,48! 42,24 50,20 58,24"

    for k in range(8):
        parts += moved([blob(wedge, "#fba53a")], turn=45 * k)
    return parts


def lemon() -> list[Part]:
    body = blob("10,52 20,44 36,30 58,28 76,38 84,46 92,50 84,58 72,70 50,76 30,70 18,58", "#f6d62e")
    return [
        body,
        *within(body, oval(40, 42, 14, 5, "#fdf0a0", -14)),
        blob("82,44! 84,28 98,22! 96,38", GREEN),
    ]


def pear() -> list[Part]:
    body = blob("50,20 60,28 62,42 76,58 76,78 60,90 40,90 24,78 24,58 38,42 40,28", "#b7c93c")
    return [
        body,
        *within(body, oval(36, 66, 6, 12, "#e2ec8f", 10)),
        stroke("50,21 51,12 56,6", 3, BROWN),
        blob("53,14! 66,6 76,12! 64,20", DARK_GREEN),
    ]


def strawberry() -> list[Part]:
    body = blob("50,92 30,74 18,48 26,30 50,28 74,30 82,48 70,74", "#e0263c")
    seeds = [
        oval(x, y, 1.4, 2.2, "#ffe08a")
        for x, y in ((34, 44), (50, 42), (66, 44), (40, 58), (58, 58), (48, 72), (28, 55), (72, 56))
    ]
    return [
        body,
        *within(body, *seeds),
        blob("50,36 36,38 24,30! 38,26 40,16! 50,24 60,16! 62,26 76,30! 64,38", GREEN),
        stroke("50,24 52,12", 2.4, DARK_GREEN),
    ]


def cherries() -> list[Part]:
    left, right = oval(30, 70, 18, 18, "#c81d32"), oval(68, 74, 18, 18, "#d92a3a")
    return [
        stroke("32,54 42,32 60,14", 2.2, DARK_GREEN),
        stroke("68,58 66,36 60,14", 2.2, DARK_GREEN),
        left,
        right,
        *detail(oval(24, 63, 4, 6, "#f28a92", 30), oval(62, 67, 4, 6, "#f28a92", 30)),
        blob("60,14! 74,4 90,12! 76,24", GREEN),
    ]


def banana() -> list[Part]:
    return [
        blob("18,24! 26,22 34,50 56,66 84,62! 88,70 70,84 42,80 22,58", "#f7d23b"),
        stroke("24,34 34,60 58,74 82,68", 1.2, "#b8901a"),
        box(17, 16, 8, 9, BROWN),
    ]


def carrot() -> list[Part]:
    body = blob("30,30 44,26 54,36 58,50 74,82 84,94! 62,82 36,62 26,46", "#f47b20")
    rings = within(
        body,
        stroke("34,50 42,46", 1.2, "#c65a0e"),
        stroke("48,66 56,60", 1.2, "#c65a0e"),
        stroke("52,42 46,46", 1.2, "#c65a0e"),
        stroke("64,76 70,72", 1.2, "#c65a0e"),
    )
    leaves = [
        blob("36,32! 22,22 10,24 14,12 26,16", GREEN),
        blob("38,30! 30,16 32,4 42,6 44,18", DARK_GREEN),
        blob("40,30! 46,16 60,8 62,18 52,26", GREEN),
    ]
    return [*leaves, body, *rings]


def pumpkin() -> list[Part]:
    ribs = [
        oval(24, 58, 17, 26, "#e06d0f"),
        oval(76, 58, 17, 26, "#e06d0f"),
        oval(37, 58, 17, 30, "#f0811f"),
        oval(63, 58, 17, 30, "#f0811f"),
        oval(50, 58, 15, 32, "#f7932b"),
    ]
    return [
        *ribs,
        blob("46,28! 44,16 36,10 50,8 54,18 55,28!", "#5b7a32"),
        stroke("56,22 70,16 74,26 80,22", 1.6, DARK_GREEN),
    ]


def mushroom() -> list[Part]:
    cap = blob("10,52! 16,26 36,12 64,12 84,26 90,52! 70,58 30,58", "#d8342c")
    spots = within(
        cap,
        oval(34, 28, 8, 6, WHITE),
        oval(60, 22, 7, 5, WHITE),
        oval(74, 42, 8, 6, WHITE),
        oval(46, 46, 8, 5, WHITE),
        oval(20, 46, 6, 5, WHITE),
    )
    return [blob("40,54! 60,54! 62,76 68,90 32,90 38,76", "#f4e8d0"), cap, *spots]


def cupcake() -> list[Part]:
    cup = poly("26,58 74,58 66,92 34,92", "#4aa6b5")
    pleats = within(
        cup, *(stroke(f"{x},58 {50 + (x - 50) * 0.75},92", 1.4, "#2d7986") for x in (36, 45, 55, 64))
    )
    cream = blob("18,58! 16,46 26,42 24,30 38,28 42,16 54,14 60,26 74,28 74,42 84,46 82,58!", "#f7b6c8")
    return [
        cup,
        *pleats,
        cream,
        *detail(stroke("28,46 50,50 72,44", 1.6, "#d98aa0"), stroke("36,32 52,36 66,31", 1.6, "#d98aa0")),
        oval(50, 13, 7, 7, "#d6213a"),
    ]


def ice_cream() -> list[Part]:
    cone = poly("28,48 72,48 50,96", "#dba55a")
    lines = within(
        cone,
        *(stroke(f"{x},46 {x + 24},96", 1.1, "#a86f2a") for x in (20, 34, 48)),
        *(stroke(f"{x},46 {x - 24},96", 1.1, "#a86f2a") for x in (80, 66, 52)),
    )
    return [
        cone,
        *lines,
        oval(36, 38, 17, 16, "#f3d9a4"),
        oval(64, 38, 17, 16, "#8fc9a8"),
        oval(50, 22, 17, 16, "#e98aa0"),
    ]


def egg() -> list[Part]:
    white = blob("20,40 36,22 58,26 80,30 86,52 76,72 54,80 34,84 16,66", "#fffdf5")
    return [white, oval(50, 52, 17, 16, "#f9a825"), *detail(oval(44, 46, 5, 3, "#ffe39a", -30))]


def bread() -> list[Part]:
    loaf = blob("8,60 14,44 34,36 62,34 86,44 92,60 84,72 50,76 16,72", "#c98538")
    return [loaf, *within(loaf, *(stroke(f"{x},34 {x + 8},54", 3, "#f0cf94") for x in (24, 42, 60, 76)))]


def watermelon() -> list[Part]:
    rind = blob("8,40! 92,40! 84,66 66,82 50,85 34,82 16,66", "#3f9a4a")
    flesh = blob("14,40! 86,40! 78,62 62,75 50,78 38,75 22,62", "#ec4a55")
    return [
        rind,
        flesh,
        *detail(
            *(
                oval(x, y, 1.6, 2.6, INK)
                for x, y in ((32, 50), (46, 58), (60, 52), (70, 48), (54, 68), (40, 66))
            )
        ),
    ]


FOOD = {
    "apple": apple,
    "orange": orange,
    "orange-slice": orange_slice,
    "lemon": lemon,
    "pear": pear,
    "strawberry": strawberry,
    "cherries": cherries,
    "banana": banana,
    "carrot": carrot,
    "pumpkin": pumpkin,
    "mushroom": mushroom,
    "cupcake": cupcake,
    "ice-cream": ice_cream,
    "egg": egg,
    "bread": bread,
    "watermelon": watermelon,
}
