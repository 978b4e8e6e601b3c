"""Copies with something around them: letterboxes, frames, captions."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont, ImageOps

from visionlora.data.copies import duplicates
from visionlora.data.copies.duplicates import Comparison, alike
from visionlora.data.images.fingerprint import Fingerprint, fingerprints_of, sample
from visionlora.paths import shipped

PHOTOS = sorted(shipped("data/pocket_photos/anchor").glob("*/00.webp"))[:60]


def captioned(image: Image.Image) -> Image.Image:
    wider = ImageOps.expand(image, (0, 0, 0, image.height // 4), "white")
    font = ImageFont.load_default(size=image.height // 10)
    ImageDraw.Draw(wider).text((9, image.height * 1.07), "one does not simply", "black", font)
    return wider.crop((0, 0, image.width, wider.height))


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "letterbox": lambda image: ImageOps.expand(image, (0, image.height // 8), "black"),
    "bars at the sides": lambda image: ImageOps.expand(image, (image.width // 6, 0), "white"),
    "frame": lambda image: ImageOps.expand(image, image.width // 10, "white"),
    "caption": captioned,
}


def seen(images: list[Image.Image], folder: Path) -> list[Fingerprint]:
    paths = [folder / f"{number}.png" for number in range(len(images))]
    for image, path in zip(images, paths, strict=True):
        image.save(path)
    return fingerprints_of([sample(path) for path in paths])


@pytest.fixture
def photos() -> list[Image.Image]:
    return [Image.open(path).convert("RGB") for path in PHOTOS]


@pytest.mark.parametrize(
    ("change", "least"), [("letterbox", 0.7), ("bars at the sides", 0.7), ("frame", 0.2), ("caption", 0.4)]
)
def test_most_copies_with_a_border_are_found_and_no_photo_is_taken_for_another(
    change: str, least: float, photos: list[Image.Image], tmp_path: Path
) -> None:
    groups = Comparison()(seen([*photos, *map(CHANGES[change], photos)], tmp_path))
    count = len(photos)
    assert all(len({place % count for place in group}) == 1 for group in groups)
    assert len(groups) >= least * count


def test_a_copy_with_a_border_looks_the_same_as_its_image(photos: list[Image.Image], tmp_path: Path) -> None:
    one, other, copy = seen([*photos[:2], CHANGES["letterbox"](photos[0])], tmp_path)
    assert alike(one, copy) and alike(copy, one)
    assert not alike(other, copy)
    assert not alike(one, copy, mirrored=True)


def test_things_on_a_plain_ground_are_not_taken_for_one_another(tmp_path: Path) -> None:
    draw = random.Random(0)
    images = []
    for _ in range(80):
        image = Image.new("RGB", (96, 96), "white")
        corner, size = draw.randrange(10, 30), draw.randrange(30, 50)
        box = (corner, corner, corner + size, corner + size)
        ImageDraw.Draw(image).ellipse(box, fill=(draw.randrange(200), draw.randrange(200), 90))
        ImageDraw.Draw(image).rectangle(
            (corner + 9, corner + 9, corner + 20, corner + draw.randrange(22, 40))
        )
        images.append(image)
    prints = seen(images, tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "MOST_BORDERED", 0)
        without = Comparison()(prints)
    assert Comparison()(prints) == without


def test_of_many_images_borders_are_not_looked_for(
    photos: list[Image.Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prints = seen([photos[0], CHANGES["letterbox"](photos[0])], tmp_path)
    assert Comparison()(prints) == [[0, 1]]
    monkeypatch.setattr(duplicates, "MOST_BORDERED", 1)
    assert Comparison()(prints) == []
