"""Render the photos that ship with the pocket network: data/pocket_photos/{anchor,val}/<category>/NN.jpg.

    python scripts/render_pocket_photos.py

The network has never seen them: training takes other seeds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image
from render import CLASSES, render

from visionlora.files import replacing

FOLDER = Path(__file__).parents[1] / "data" / "pocket_photos"
FIRST_SEED = {"anchor": 2_000_000, "val": 3_000_000}
SIDE = 160
QUALITY = 88


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=6, help="photos a class in each folder")
    parser.add_argument("--output", type=Path, default=FOLDER)
    options = parser.parse_args()
    total = 0
    for part, first in FIRST_SEED.items():
        for name in CLASSES:
            for number in range(options.count):
                path = options.output / part / name.replace(" ", "_") / f"{number:02d}.jpg"
                with replacing(path) as beside:
                    Image.fromarray(render(name, first + number, SIDE)).save(beside, "JPEG", quality=QUALITY)
                total += path.stat().st_size
    print(f"{2 * options.count * len(CLASSES)} photos, {total / 1e6:.2f} MB, in {options.output}")


if __name__ == "__main__":
    main()
