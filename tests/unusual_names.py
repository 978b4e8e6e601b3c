"""Names of classes and files that some program does not take for text, and a folder of images with them."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

LATIN1 = "K\udce4fer"
"""``Käfer`` in Latin-1, as Python keeps bytes that are not UTF-8."""

NAMES = (
    LATIN1,
    "金魚",
    "\x1b[31mred\x1b[0m",
    "[b]bold[",
    "[red] :smile:",
    '=HYPERLINK("x")',
    "$5_$10",
    "cost $x_{$",
    "${oc.env:HOME}",
    "a\r\nb",
    "דג \u202ezahav",
    "🐠 fish",
    "<marquee>&amp;",
    "`code` | x",
    "%s %d {0}",
    "C:\\new\\x1b",
)


def write_images(folder: Path, names: tuple[str, ...] = NAMES) -> None:
    """An image of noise for each name."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(zlib.crc32(os.fsencode(folder)))
    for name in names:
        pixels = random.integers(0, 255, (12, 12, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")


def write_classes(root: Path) -> None:
    """``train`` and ``val`` with a class of each name, and images of other such names in it."""
    for split, step in (("train", 1), ("val", 2)):
        for place, name in enumerate(NAMES):
            write_images(root / split / name, (NAMES[(place + step) % len(NAMES)],))
