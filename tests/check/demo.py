"""A folder with one of each fault, from images that ship with the project.

``python -m tests.check.demo FOLDER`` writes it; docs/check.png shows what ``visionlora check`` says of it.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from PIL import Image

from visionlora.paths import shipped

PHOTOS = ("strawberry", "lemon", "candle", "teapot", "starfish")


def write_demo(root: Path) -> Path:
    """Write the folder below ``root``, in a wrapper; returns it."""
    top = root / "pets-and-fruit"
    photos = shipped("data/pocket_photos")
    for name in PHOTOS:
        for split, source in (("train", "anchor"), ("val", "val")):
            target = top / "dataset" / split / name
            target.mkdir(parents=True)
            for path in sorted((photos / source / name).iterdir())[: 8 if split == "train" else 3]:
                with Image.open(path) as photo:
                    photo.save(target / f"{path.stem}.jpg")
    drawings = shipped("data/goldfish/contrast")
    for path in sorted(drawings.rglob("*-kite.webp")):  # a toy to whoever drew it, a bird to the network
        (top / "dataset" / "train" / "kite").mkdir(exist_ok=True)
        shutil.copy(path, top / "dataset" / "train" / "kite")
    for split in ("train", "val"):
        (top / "dataset" / split / "goldfish").mkdir()
        for path in sorted(shipped(f"data/goldfish/{split}/goldfish").iterdir()):
            shutil.copy(path, top / "dataset" / split / "goldfish")
    train, val = top / "dataset" / "train", top / "dataset" / "val"
    images = sorted((train / "teapot").iterdir())
    shutil.copy(images[0], val / "teapot" / "copy of teapot.png")  # a leak
    berries = sorted((train / "strawberry").iterdir())
    with Image.open(berries[1]) as berry:
        berry.convert("RGB").resize((110, 110)).save(val / "strawberry" / "download.jpg", quality=60)
    shutil.copy(sorted((train / "lemon").iterdir())[2], train / "starfish" / "IMG_0042.jpg")  # two labels
    shutil.move(sorted((train / "lemon").iterdir())[4], train / "candle" / "IMG_0815.jpg")  # mislabelled
    (train / "lemon" / "broken.jpg").write_bytes(berries[0].read_bytes()[:900])
    (train / "lemon" / "page.jpg").write_text("<!DOCTYPE html><title>404</title>")
    Image.new("RGB", (300, 200), "white").save(train / "candle" / "scan0001.png")
    (train / "candle" / "Thumbs.db").write_bytes(b"litter")
    return top


if __name__ == "__main__":
    print(write_demo(Path(sys.argv[1])))
