"""Which goldfish is drawn in which style."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .goldfish import Appearance


@dataclass(frozen=True)
class Pose:
    """How a subject stands on its ground."""

    ground: str = "plain"
    paper: str = "#ffffff"
    flip: bool = False
    turn: float = 0.0  # degrees, clockwise
    scale: float = 0.95
    shift: tuple[float, float] = (0.0, 0.0)


RED = Appearance(body="#e8432a", belly="#ff9a5c", fin="#f4694a")
GOLD = Appearance(body="#f7a51c", belly="#ffdf7a", fin="#ffc043")
ORANGE = Appearance(body="#f5761a", belly="#ffb84d", fin="#ff9436")
DEEP = Appearance(body="#ea5b0c", belly="#ffa64a", fin="#f88a3a")
SARASA = Appearance(body="#fff3e6", belly="#fffaf2", fin="#ff9d6b", patch="#ee5323")

GOLDFISH = {
    "train": {
        "flat": (ORANGE, Pose(paper="#bfe6ee", turn=-8, scale=0.9, shift=(-2, 2))),
        "line-art": (replace(ORANGE, tail="fan", plump=1.1), Pose(flip=True)),
        "cartoon": (
            replace(DEEP, tail="fan", plump=1.25, dorsal="crest", eye=6.5),
            Pose("water", "#8fd3ea", turn=6, scale=0.85),
        ),
        "pixel-art": (replace(GOLD, plump=1.1, eye=5.5), Pose(paper="#3f6fa8", flip=True, turn=4, scale=0.9)),
        "watercolour": (
            replace(RED, tail="veil", bend=6),
            Pose(paper="#dff0f4", turn=14, scale=0.84, shift=(-3, -4)),
        ),
        "crayon": (
            replace(ORANGE, tail="butterfly", dorsal="low", plump=1.15),
            Pose("bowl", "#fff4d8", flip=True, scale=0.68, shift=(0, 6)),
        ),
        "sticker": (replace(SARASA, plump=1.2, tail="butterfly"), Pose(paper="#b9d3c2", turn=8, scale=0.86)),
        "oil": (
            replace(DEEP, tail="veil", plump=1.1, dorsal="low"),
            Pose("water", "#5d9fb8", flip=True, turn=-10, scale=0.82),
        ),
        "pencil": (
            replace(ORANGE, plump=1.35, eye=7.0, tail="fan", scales=False),
            Pose("dots", "#e8eef4", flip=True, scale=0.88),
        ),
        "beads": (replace(GOLD, tail="fork", dorsal="crest"), Pose(paper="#4f8f86", turn=-6, scale=0.9)),
        "glazed": (replace(RED, plump=1.15), Pose(paper="#6fb3c9", flip=True, turn=6, scale=0.88)),
        "engraving": (replace(ORANGE, tail="veil", plump=1.2), Pose(paper="#f1ead8", turn=-6, scale=0.86)),
        "points": (replace(DEEP, tail="fan", dorsal="low"), Pose(paper="#e6f0ee", flip=True, scale=0.9)),
        "chalkboard": (replace(SARASA, plump=1.3, eye=7.0), Pose(paper="#2f4a44", turn=8, scale=0.88)),
    },
    "val": {
        "kawaii": (
            replace(ORANGE, plump=1.4, eye=7.5, dorsal="low", tail="fan", scales=False, blush=True),
            Pose("dots", "#c9ecf5"),
        ),
        "gradient": (replace(GOLD, tail="fan", plump=1.15), Pose(flip=True)),
        "paper-cut": (
            replace(RED, tail="butterfly"),
            Pose("disc", "#7fc6d6", turn=10, scale=0.84, shift=(-2, -3)),
        ),
        "low-poly": (replace(ORANGE, dorsal="crest"), Pose(paper="#9fd0dc", flip=True, turn=-8)),
        "pastel": (
            replace(DEEP, tail="veil", bend=-6, plump=1.1),
            Pose(paper="#6f9fc0", turn=-12, scale=0.88, shift=(-4, 3)),
        ),
        "ink-brush": (replace(RED, tail="veil", bend=8), Pose(flip=True, turn=14, scale=0.82, shift=(2, -2))),
        "stained-glass": (
            replace(ORANGE, tail="fan", plump=1.15, scales=False),
            Pose(paper="#4aa3d8", turn=-5, scale=0.9, shift=(-2, 0)),
        ),
        "stippling": (replace(ORANGE, tail="fork"), Pose(paper="#ffffff", flip=True, turn=-10, scale=0.9)),
        "woodcut": (
            replace(DEEP, tail="butterfly", dorsal="crest"),
            Pose(paper="#f4ead0", turn=5, scale=0.9, shift=(-2, 0)),
        ),
        "halftone": (replace(ORANGE, plump=1.25, eye=6.5), Pose(paper="#8fd6f0", flip=True, turn=8)),
        "mosaic": (
            replace(GOLD, tail="fan", plump=1.15, eye=7, scales=False),
            Pose(paper="#3f93b9", turn=-10, scale=0.92, shift=(-3, 2)),
        ),
        "embroidery": (replace(SARASA, plump=1.1, tail="fan"), Pose(paper="#a8c8c0", flip=True)),
    },
}
