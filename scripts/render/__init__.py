"""Photos that our own code renders: solid things, lit, marched through signed distances."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from render import balls, creatures, fish, fruit, goldfish, lights, things
from render.photo import photograph
from render.scene import Thing

# ImageNet's category names and WordNet ids, in ImageNet's order.
CLASSES: dict[str, tuple[str, Callable[[np.random.Generator], Thing]]] = {
    "goldfish": ("n01443537", goldfish.goldfish),
    "great white shark": ("n01484850", fish.great_white_shark),
    "ladybug": ("n02165456", creatures.ladybug),
    "starfish": ("n02317335", creatures.starfish),
    "coho": ("n02536864", fish.coho),
    "puffer": ("n02655020", fish.puffer),
    "balloon": ("n02782093", things.balloon),
    "basketball": ("n02802426", balls.basketball),
    "candle": ("n02948072", lights.candle),
    "jack-o'-lantern": ("n03590841", lights.jack_o_lantern),
    "soccer ball": ("n04254680", balls.soccer_ball),
    "teapot": ("n04398044", things.teapot),
    "tennis ball": ("n04409515", balls.tennis_ball),
    "traffic light": ("n06874185", lights.traffic_light),
    "mushroom": ("n07734744", fruit.mushroom),
    "Granny Smith": ("n07742313", fruit.granny_smith),
    "strawberry": ("n07745940", fruit.strawberry),
    "orange": ("n07747607", fruit.orange),
    "lemon": ("n07749582", fruit.lemon),
    "banana": ("n07753592", fruit.banana),
}


def render(name: str, seed: int, size: int = 144) -> NDArray[np.uint8]:
    """A photo of a class: a function of (name, seed, size) alone.

    Args:
        name: a key of :data:`CLASSES`.
        seed: not negative; images of other seeds show other things, poses, places and lights.
        size: side in pixels.

    Returns:
        (size, size, 3) uint8, RGB.

    Raises:
        KeyError: a class that there is no renderer for.
    """
    wnid, build = CLASSES[name]
    rng = np.random.default_rng([int(wnid[1:]), seed])
    return photograph(build(rng), rng, size)
