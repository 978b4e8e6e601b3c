"""Animals on land and in the air."""

from __future__ import annotations

from .shapes import INK, WHITE, Part, blob, detail, moved, oval, poly, stroke, within


def _eye(x: float, y: float, r: float = 4.0) -> list[Part]:
    return [
        oval(x, y, r, r, WHITE),
        *detail(oval(x, y, r * 0.6, r * 0.6, INK), oval(x - r * 0.25, y - r * 0.3, r * 0.2, r * 0.2, WHITE)),
    ]


def bird() -> list[Part]:
    return [
        blob("70,52! 92,40 96,48 84,56 94,62 84,66 68,62!", "#2d5f9a"),
        stroke("46,76 44,92", 2, "#c7822a"),
        stroke("56,76 58,92", 2, "#c7822a"),
        blob("14,38 24,24 40,24 50,36 66,42 78,56 66,74 44,78 26,66 20,50", "#4a90d0"),
        *detail(blob("24,52 38,50 52,66 44,76 30,68", "#f2d9a0")),
        blob("42,46! 60,42 78,54 66,64 50,62", "#2d6cab"),
        poly("14,34 14,44 2,41", "#f2a32c"),
        *_eye(28, 35, 3.5),
    ]


def duck() -> list[Part]:
    return [
        blob("46,52 60,48 76,54 94,44! 92,64 78,80 50,84 28,76 26,62", "#f7d22e"),
        oval(32, 36, 17, 17, "#f9da45"),
        blob("17,36! 4,38 3,43 18,46!", "#f08a1d"),
        blob("48,60! 66,56 80,62 70,74 54,72", "#e6b91e"),
        *_eye(28, 32, 4),
    ]


def owl() -> list[Part]:
    wings = [blob("26,44 18,60 22,80 34,82", "#6b4a30"), blob("74,44 82,60 78,80 66,82", "#6b4a30")]
    body = blob("28,16! 50,22 72,16! 76,40 74,72 50,90 26,72 24,40", "#8f6a45")
    return [
        *wings,
        body,
        *detail(oval(50, 66, 17, 18, "#d8b98a")),
        oval(38, 38, 11, 11, "#fff4d8"),
        oval(62, 38, 11, 11, "#fff4d8"),
        *detail(oval(39, 38, 5, 5, INK), oval(61, 38, 5, 5, INK)),
        poly("46,46 54,46 50,55", "#f0a02c"),
        *detail(
            *(
                stroke(f"{x - 3},{y} {x},{y + 3} {x + 3},{y}", 1.2, "#8f6a45")
                for x, y in ((42, 60), (50, 64), (58, 60), (46, 72), (54, 72))
            )
        ),
    ]


def butterfly() -> list[Part]:
    one = [
        blob("50,46! 58,22 78,10 92,20 90,40 72,52 52,54!", "#f08030"),
        blob("52,54! 72,56 84,68 78,86 62,84 52,66!", "#f6a04a"),
        *detail(oval(78, 27, 6, 6, "#fff0c0"), oval(68, 70, 5, 5, "#fff0c0"), oval(64, 42, 4, 4, "#7a2c10")),
    ]
    body = [
        oval(50, 55, 3.4, 22, INK),
        *detail(stroke("49,34 42,20 36,18", 1.2), stroke("51,34 58,20 64,18", 1.2)),
    ]
    return [*one, *moved(one, flip=True), *body]


def ladybug() -> list[Part]:
    shell = oval(50, 56, 34, 30, "#dd2b28")
    spots = within(
        shell,
        *(oval(x, y, 5.5, 5.5, INK) for x, y in ((34, 46), (66, 46), (30, 64), (70, 64), (41, 76), (59, 76))),
    )
    return [
        *(
            stroke(f"{50 + s * 28},{y} {50 + s * 42},{y + d}", 2)
            for s in (-1, 1)
            for y, d in ((42, -6), (58, 1), (72, 8))
        ),
        oval(50, 27, 17, 13, INK),
        shell,
        *spots,
        *detail(stroke("50,27 50,86", 1.8)),
        *detail(oval(43, 24, 3, 3, WHITE), oval(57, 24, 3, 3, WHITE)),
    ]


def bee() -> list[Part]:
    body = oval(52, 60, 30, 20, "#f5c12e")
    stripes = within(body, *(poly(f"{x},30 {x + 8},30 {x + 8},90 {x},90", INK) for x in (44, 60, 76)))
    return [
        oval(46, 32, 12, 18, "#d5ecf5", -20),
        oval(64, 32, 12, 18, "#d5ecf5", 20),
        poly("80,56 80,66 92,61", INK),
        body,
        *stripes,
        *_eye(31, 56, 3.6),
        *detail(stroke("28,46 22,34", 1.3), stroke("34,43 32,30", 1.3)),
    ]


def cat() -> list[Part]:
    return _cat("#e88a35", "#b85a14")


def grey_cat() -> list[Part]:
    return _cat("#8e98a5", "#5a6470")


def _cat(fur: str, dark: str) -> list[Part]:
    whiskers = [
        stroke(f"{50 + s * 14},{60 + d} {50 + s * 44},{56 + 4 * d}", 1) for s in (-1, 1) for d in (0, 2)
    ]
    return [
        poly("18,50 20,12 46,30", fur),
        poly("82,50 80,12 54,30", fur),
        *detail(poly("24,34 25,20 36,29", "#f5b5a8"), poly("76,34 75,20 64,29", "#f5b5a8")),
        blob("50,26 74,32 88,54 78,78 50,88 22,78 12,54 26,32", fur),
        *detail(*(stroke(f"{x},28 {50 + (x - 50) * 0.8},40", 2.6, dark) for x in (42, 50, 58))),
        *detail(oval(50, 70, 16, 11, "#fdf1e2")),
        oval(34, 52, 7, 8, "#cfe08a"),
        oval(66, 52, 7, 8, "#cfe08a"),
        *detail(oval(34, 52, 2.4, 7, INK), oval(66, 52, 2.4, 7, INK)),
        poly("45,62 55,62 50,68", "#e2707a"),
        *detail(stroke("40,74 46,76 50,69 54,76 60,74", 1.3), *whiskers),
    ]


def dog() -> list[Part]:
    return [
        blob("28,28 14,30 8,52 16,70 26,60", "#6f452a"),
        blob("72,28 86,30 92,52 84,70 74,60", "#6f452a"),
        blob("50,18 72,26 78,50 68,80 50,88 32,80 22,50 28,26", "#c58d55"),
        *detail(oval(50, 70, 18, 15, "#f3e0c4"), oval(36, 45, 4, 5, INK), oval(64, 45, 4, 5, INK)),
        oval(50, 62, 8, 6, INK),
        *detail(stroke("50,67 50,74 42,78", 1.4), stroke("50,74 58,78", 1.4)),
        blob("46,77! 54,77! 54,86 50,89 46,86", "#ee7b86"),
    ]


def fox() -> list[Part]:
    return [
        poly("14,10 42,30 18,50", "#e2641c"),
        poly("86,10 58,30 82,50", "#e2641c"),
        *detail(poly("20,20 33,31 22,40", INK), poly("80,20 67,31 78,40", INK)),
        blob("50,26 76,32 90,54 66,72 50,90! 34,72 10,54 24,32", "#ee7a26"),
        *detail(
            blob("10,56! 30,50 46,68 50,90! 34,74", "#fff3e2"),
            blob("90,56! 70,50 54,68 50,90! 66,74", "#fff3e2"),
        ),
        *detail(oval(35, 50, 4, 5, INK), oval(65, 50, 4, 5, INK)),
        oval(50, 86, 5, 4.5, INK),
    ]


def snail() -> list[Part]:
    shell = oval(56, 46, 29, 28, "#d98b3d")
    return [
        stroke("17,56 12,36", 2, "#b59a6a"),
        stroke("24,54 26,34", 2, "#b59a6a"),
        blob("10,60 16,52 26,56 36,70 60,70 84,72 96,84! 60,86 24,86 12,76", "#e3cf9a"),
        shell,
        *detail(stroke("84,52 74,70 50,70 36,52 44,32 62,28 74,42 68,56 54,58 48,48 56,42", 2.6, "#8a4d18")),
        *detail(oval(12, 35, 2.6, 2.6, INK), oval(26, 33, 2.6, 2.6, INK)),
    ]


def turtle() -> list[Part]:
    shell = blob("16,62! 22,36 44,24 66,28 82,46 84,64! 50,70", "#5c8f3f")
    plates = within(
        shell,
        stroke("38,28 34,44 42,58 40,70", 1.6, "#37602a"),
        stroke("62,28 66,44 58,58 60,70", 1.6, "#37602a"),
        stroke("34,44 66,44", 1.6, "#37602a"),
        stroke("18,56 42,58 60,58 84,56", 1.6, "#37602a"),
    )
    skin = "#a8c46a"
    return [
        blob("80,60! 92,66 96,74 84,70", skin),
        oval(32, 74, 8, 11, skin),
        oval(68, 74, 8, 11, skin),
        blob("22,60! 6,58 2,46 10,38 20,44 26,56!", skin),
        shell,
        *plates,
        *_eye(10, 46, 2.6),
    ]


def frog() -> list[Part]:
    green = "#63b04a"
    return [
        oval(20, 80, 15, 11, green),
        oval(80, 80, 15, 11, green),
        blob("50,36 78,44 86,66 70,86 30,86 14,66 22,44", green),
        oval(31, 30, 12, 12, green),
        oval(69, 30, 12, 12, green),
        *_eye(31, 29, 7),
        *_eye(69, 29, 7),
        *detail(blob("34,70 66,70 62,84 38,84", "#d9eca0"), stroke("28,56 50,64 72,56", 1.8)),
    ]


def chick() -> list[Part]:
    return [
        stroke("42,82 40,94", 2, "#e2821c"),
        stroke("58,82 60,94", 2, "#e2821c"),
        oval(50, 62, 30, 25, "#f9d648"),
        oval(50, 34, 21, 20, "#fbe067"),
        blob("26,56! 14,60 20,74 32,70!", "#eec02c"),
        blob("74,56! 86,60 80,74 68,70!", "#eec02c"),
        *detail(oval(42, 32, 3, 3.6, INK), oval(58, 32, 3, 3.6, INK)),
        poly("45,38 55,38 50,45", "#f0811c"),
    ]


LAND_ANIMALS = {
    "bird": bird,
    "duck": duck,
    "owl": owl,
    "butterfly": butterfly,
    "ladybug": ladybug,
    "bee": bee,
    "cat": cat,
    "grey-cat": grey_cat,
    "dog": dog,
    "fox": fox,
    "snail": snail,
    "turtle": turtle,
    "frog": frog,
    "chick": chick,
}
