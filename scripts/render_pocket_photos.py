"""Render the photos that ship with the pocket network: data/pocket_photos/{anchor,val}/<category>/NN.webp.

    python scripts/render_pocket_photos.py

The network was not trained on them: training uses other seeds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image
from render import CLASSES, render

from visionlora.data.images.decode import open_image
from visionlora.files import replacing

FOLDER = Path(__file__).parents[1] / "data" / "pocket_photos"
FIRST_SEED = {"anchor": 2_000_000, "val": 3_000_000}
SIDE = 160
QUALITY = 70  # of WebP


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=6, help="photos per class in each folder")
    parser.add_argument("--output", type=Path, default=FOLDER)
    parser.add_argument("--sheet", type=Path, help="also write an overview: a few photos of each class")
    options = parser.parse_args()
    total = 0
    for part, first in FIRST_SEED.items():
        for name in CLASSES:
            for number in range(options.count):
                path = options.output / part / name.replace(" ", "_") / f"{number:02d}.webp"
                with replacing(path) as beside:
                    Image.fromarray(render(name, first + number, SIDE)).save(
                        beside, "WEBP", quality=QUALITY, method=6
                    )
                total += path.stat().st_size
    print(f"{2 * options.count * len(CLASSES)} photos, {total / 1e6:.2f} MB, in {options.output}")
    if options.sheet:
        with replacing(options.sheet) as beside:
            sheet(options.output / "val").save(beside, "JPEG", quality=88)


def sheet(folder: Path, across: int = 4, columns: int = 2) -> Image.Image:
    """The first photos of each class side by side, one class per row, the rows in ``columns``."""
    rows = -(-len(CLASSES) // columns)
    image = Image.new("RGB", (columns * across * SIDE, rows * SIDE))
    for index, name in enumerate(CLASSES):
        for number, path in enumerate(sorted((folder / name.replace(" ", "_")).glob("*.webp"))[:across]):
            place = ((index // rows * across + number) * SIDE, index % rows * SIDE)
            image.paste(open_image(path), place)
    return image


if __name__ == "__main__":
    main()
