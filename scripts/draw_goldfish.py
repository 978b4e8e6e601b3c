"""Draw the goldfish and the other things in data/goldfish: `python scripts/draw_goldfish.py [FOLDER]`.

Every image is a function of its own name, so each can be drawn alone:
`python scripts/draw_goldfish.py /tmp/one --only watercolour`.
"""

from __future__ import annotations

import argparse
import io
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from draw.canvas import finish
from draw.contrast import CONTRAST, SUBJECTS, pose
from draw.goldfish import goldfish
from draw.grounds import GROUNDS
from draw.plan import GOLDFISH, Pose
from draw.shapes import Drawing, Part, moved
from draw.styles import STYLES
from PIL import Image

HOME = Path(__file__).resolve().parents[1] / "data" / "goldfish"
QUALITY = 35  # of lossy WebP, which ships textures; at 144 pixels, pocket's size, the loss is hardly visible
COLOURS = 64  # of lossless WebP, which ships what is flat or dotted, where it is smaller
FACED = {
    "sun",
    "crab",
    "octopus",
    "whale",
    "puffer",
    "cat",
    "dog",
    "fox",
    "frog",
    "chick",
    "owl",
}  # with a face


def images() -> dict[str, Callable[[], Image.Image]]:
    """Every image's path below data/goldfish, and the call that draws it."""
    found: dict[str, Callable[[], Image.Image]] = {}
    for split, drawn in GOLDFISH.items():
        for style in drawn:
            path = f"{split}/goldfish/{style}.webp"
            found[path] = partial(draw_goldfish, path, split, style)
    for split, styles in CONTRAST.items():
        for style, subjects in styles.items():
            for subject in subjects.split():
                path = f"contrast/{split}/{style}-{subject}.webp"
                found[path] = partial(draw_other, path, style, subject)
    return found


def draw_goldfish(path: str, split: str, style: str) -> Image.Image:
    fish, stance = GOLDFISH[split][style]
    return draw(style, goldfish(fish), stance, seeded(path))


def draw_other(path: str, style: str, subject: str) -> Image.Image:
    rng = seeded(path)
    return draw(style, tuple(SUBJECTS[subject]()), pose(subject, rng), rng, cute=subject not in FACED)


def draw(
    style: str, subject: tuple[Part, ...], stance: Pose, rng: np.random.Generator, cute: bool = False
) -> Image.Image:
    """A subject on its ground in a style: a 256 by 256 image."""
    placed = moved(subject, scale=stance.scale, turn=stance.turn, flip=stance.flip, shift=stance.shift)
    face = (50.0 + stance.shift[0], 56.0 + stance.shift[1], stance.scale) if cute else None
    drawing = Drawing((*GROUNDS[stance.ground](stance.paper, rng), *placed), stance.paper, face)
    return finish(STYLES[style](drawing, rng))


def seeded(path: str) -> np.random.Generator:
    """What draws a path's image, whatever format it is kept in."""
    return np.random.default_rng(zlib.crc32(path.replace(".webp", ".png").encode()))


def encoded(image: Image.Image) -> bytes:
    """The image as WebP: lossy, or without loss in few colours, whichever is smaller."""
    # kmeans keeps rare colours (a pupil, a highlight), which the median cut alone loses
    few = image.quantize(COLOURS, Image.Quantize.MEDIANCUT, kmeans=2, dither=Image.Dither.NONE).convert("RGB")
    return min(_webp(image, quality=QUALITY), _webp(few, lossless=True), key=len)


def _webp(image: Image.Image, **options: int) -> bytes:
    file = io.BytesIO()
    image.save(file, "WEBP", method=6, **options)
    return file.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=HOME, help="where the images go")
    parser.add_argument("--only", default="", metavar="TEXT", help="draw only paths that contain this")
    wanted = parser.parse_args()
    for path, make in images().items():
        if wanted.only in path:
            target = wanted.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            beside = target.with_suffix(".part")
            beside.write_bytes(encoded(make()))
            beside.replace(target)
            print(path)


if __name__ == "__main__":
    main()
