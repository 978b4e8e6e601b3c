"""Copies of one image, whatever their size, format or name, are on one side of a split that we make."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from rich.console import Console

from visionlora.data.config import DataConfig
from visionlora.data.copies import same_image
from visionlora.data.copies.same_image import same_images
from visionlora.data.images.decode import ImageFile
from visionlora.data.layout.folders import scan
from visionlora.data.splits.divide import k_folds
from visionlora.evaluation.folder_check import FolderCheck, check_folder
from visionlora.models.config import ModelConfig

SOURCES = 8
HASH = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"


def drawn(seed: int) -> Image.Image:
    numbers = random.Random(seed)
    image = Image.new("RGB", (120, 90), tuple(numbers.randrange(256) for _ in range(3)))
    pen = ImageDraw.Draw(image)
    for _ in range(12):
        x, y, side = numbers.randrange(100), numbers.randrange(70), numbers.randrange(10, 50)
        pen.rectangle((x, y, x + side, y + side), tuple(numbers.randrange(256) for _ in range(3)))
    return image


def resized(folder: Path) -> None:
    """Each image in other sizes and formats, under names that say nothing."""
    for number in range(SOURCES):
        image = drawn(number)
        image.save(folder / f"{number}.png")
        image.resize((60, 45)).save(folder / f"9{number}.jpg", quality=80)
        image.resize((240, 180)).save(folder / f"8{number}.webp")


def augmented(name: str) -> object:
    """What other tools make of an image, which looks like another one."""

    def make(folder: Path) -> None:
        for number in range(SOURCES):
            for copy in range(3):
                drawn(100 * number + copy).save(folder / name.format(number, f"{HASH[copy:]}abc", copy))

    return make


def edited(folder: Path) -> None:
    """What a person has made of an image, under the names that Google, Windows and macOS give it."""
    for number in range(SOURCES):
        for copy, name in enumerate(("photo{}.png", "photo{}-edited.png", "photo{} - Copy.png")):
            drawn(100 * number + copy).save(folder / name.format(number))


KINDS = {
    "resized": resized,
    "edited": edited,
    "Roboflow": augmented("IMG_{0}_jpg.rf.{1}.jpg"),
    "Augmentor": augmented("cat_original_{0}.jpg_0000000{2}-1a2b-3c4d-5e6f-0123456789ab.jpg"),
    "WordPress": augmented("photo{0}-{2}50x300.jpg"),
    "turned": augmented("photo{0}_rot{2}0.jpg"),
}


def source(path: Path, kind: str) -> str:
    if kind == "resized":
        return path.stem[-1]
    return path.name[4 if kind == "Roboflow" else 13 if kind == "Augmentor" else 5]


@pytest.mark.parametrize("kind", KINDS)
def test_copies_of_one_image_are_on_one_side(tmp_path: Path, kind: str) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        KINDS[kind](tmp_path / name)  # type: ignore[operator]
    for path in (tmp_path / "dog").iterdir():
        Image.open(path).rotate(90, expand=True).save(path)

    def sources(images: Iterable[ImageFile]) -> set[tuple[str | None, str]]:
        return {(image.label, source(image.path, kind)) for image in images}

    for seed in range(3):
        found = scan(tmp_path, seed=seed)
        assert not sources(found.train) & sources(found.val)
        assert len(sources(found.val)) == SOURCES / 2, "a quarter of each class"
        assert "48 images are copies, equal or similar: each is on the side of its copies" in found.notes
        for train, val in k_folds([*found.train, *found.val], tmp_path, 4, seed):
            assert not sources(train) & sources(val)


def test_the_check_splits_as_a_training_does_and_finds_no_copy_on_both_sides(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    resized(tmp_path / "cat")
    data, model = DataConfig(root=str(tmp_path)), ModelConfig(name="pocket")
    check = FolderCheck(data=data, model=model, strays=False, cache=False)
    folder, report = check_folder(check, Console(quiet=True))
    assert folder == scan(tmp_path)
    assert not [one for one in report.findings if one.kind == "leak"]


def test_many_similar_images_are_no_copies(tmp_path: Path) -> None:
    for number in range(20):
        image = drawn(0)
        image.putpixel((number, 0), (0, 0, 0))
        image.save(tmp_path / f"{number}.png")
    assert same_images(tmp_path.iterdir()) == {}


def test_of_very_many_images_the_names_and_equal_bytes_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(same_image, "MOST_COMPARED", 3)
    resized(tmp_path)
    drawn(50).save(tmp_path / "a.png")
    drawn(51).save(tmp_path / f"a.rf.{HASH}.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "1.png").read_bytes())
    found = same_images(tmp_path.iterdir())
    assert {path.name for path in found} == {"a.png", f"a.rf.{HASH}.png", "1.png", "b.png"}
    assert len(set(found.values())) == 2
