"""Which other things are drawn in which style, and how each stands on its ground.

`anchor` is drawn in the styles of the training goldfish and a few of its own, `val` in the styles of all the
goldfish: no style of the validation goldfish is seen in training, not even on other things.
"""

from __future__ import annotations

import numpy as np

from .plan import Pose
from .subjects_animals import LAND_ANIMALS
from .subjects_food import FOOD
from .subjects_nature import NATURE
from .subjects_sea import SEA
from .subjects_things import THINGS

SUBJECTS = {**FOOD, **LAND_ANIMALS, **SEA, **NATURE, **THINGS}

CONTRAST: dict[str, dict[str, str]] = {
    "anchor": {
        "flat": "apple clownfish pumpkin bird sailing-boat maple-leaf shark fox heart grey-cat",
        "line-art": "flatfish cat tree tulip teapot tang angelfish crab pear clock",
        "cartoon": "tang basketball fox strawberry mushroom snail clownfish turtle pumpkin ice-cream",
        "pixel-art": "orange duck heart house puffer tang carrot fox maple-leaf",
        "watercolour": (
            "leaf carrot butterfly pear lighthouse clownfish angelfish orange basketball maple-leaf"
        ),
        "crayon": "sun turtle cherries kite shark crab clownfish pumpkin fox orange lamp",
        "chalkboard": "tang umbrella starfish key clownfish pear fox football",
        "pencil": "basketball daisy owl puffer clownfish maple-leaf strawberry",
        "oil": "orange vase angelfish clownfish fox pumpkin carrot",
        "blueprint": "rocket shark flatfish lamp clownfish candle",
        "sticker": "cat ladybug tang maple-leaf crab clownfish orange",
        "beads": "tennis-ball butterfly pear fox angelfish heart carrot basketball",
        "points": "pumpkin duck tree clownfish shark orange crab butterfly",
        "engraving": "snail bird turtle flatfish clownfish pumpkin pear fox",
        "glazed": "orange house leaf crab tang basketball butterfly fox bread",
    },
    "val": {
        "kawaii": "cupcake orange pumpkin",
        "gradient": "lemon clownfish tennis-ball",
        "paper-cut": "fox sunflower beach-ball",
        "low-poly": "carrot bird whale",
        "pastel": "orange-slice dog pine",
        "ink-brush": "eel crab sailing-boat",
        "stained-glass": "butterfly maple-leaf angelfish",
        "stippling": "mushroom hat frog",
        "woodcut": "apple owl flatfish",
        "halftone": "chick guitar tang",
        "mosaic": "basketball octopus moon",
        "embroidery": "strawberry bee cactus",
        "flat": "car egg",
        "line-art": "clownfish cup",
        "cartoon": "puffer watermelon",
        "pixel-art": "gold-star banana",
        "watercolour": "balloon jellyfish",
        "crayon": "bell book",
    },
}

PAPERS = (
    "#ffffff",
    "#bfe6ee",
    "#e9f3f4",
    "#fff4d8",
    "#8fd3ea",
    "#f6e3b8",
    "#c9ecf5",
    "#9fd0dc",
    "#d9e8c8",
    "#efd9e6",
    "#5fa3c9",
    "#f3f0ea",
)


def pose(subject: str, rng: np.random.Generator) -> Pose:
    """A pose and a ground by chance; what lives in water is mostly drawn in water, as the goldfish are."""
    wet = subject in SEA
    chances = (0.4, 0.05, 0.4, 0.15, 0.0, 0.0, 0.0) if wet else (0.46, 0.14, 0.05, 0.03, 0.1, 0.1, 0.12)
    ground = str(rng.choice(("plain", "disc", "water", "bowl", "hills", "dots", "shadow"), p=chances))
    scale = float(rng.uniform(0.74, 0.9))
    scale = {"bowl": 0.52, "disc": min(scale, 0.78)}.get(ground, scale)
    return Pose(
        ground=ground,
        paper=str(rng.choice(PAPERS)),
        flip=bool(rng.random() < 0.5) and subject not in ("clock", "key"),
        turn=float(rng.uniform(-12, 12)) if ground not in ("hills", "shadow") else 0.0,
        scale=scale,
        shift=(0.0, 6.0) if ground == "bowl" else (0.0, 0.0),
    )
