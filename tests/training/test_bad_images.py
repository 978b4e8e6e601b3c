"""Images that cannot be read are left out and listed, or stop the run: ``data.on_bad``."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import Train, Trained, metrics_of


@pytest.fixture
def many(images: Path) -> Path:
    """A folder with 20 training images and 10 validation images, one file among each of which is damaged."""
    for split, count in (("train", 10), ("val", 5)):
        for name in ("red", "blue"):
            for index in range(count):
                target = images / split / name / f"{index}.png"
                if not target.exists():
                    shutil.copy(images / split / name / "0.png", target)
        (images / split / "red" / "1.png").write_text("no image")
    return images


def test_a_run_goes_on_without_a_few_unreadable_images_and_lists_them(train: Train, many: Path) -> None:
    left, folder = train()
    assert left.code == 0, left.err
    assert "left out 2 images that cannot be read" in left.out
    rows = (folder / "left_out.csv").read_text().splitlines()
    assert rows[0] == "path,reason"
    assert sorted(row.split(",")[0] for row in rows[1:]) == [
        str(many / split / "red" / "1.png") for split in ("train", "val")
    ]
    assert {name: metrics_of(folder)["images"][name] for name in ("train", "val")} == {
        "train": 19,
        "val": 9,
    }


def test_a_readable_folder_has_no_list_of_images_left_out(trained: Trained) -> None:
    assert "left out" not in trained.left.out
    assert not (trained.run / "left_out.csv").exists()


def test_stop_refuses_the_same_folder_and_names_every_bad_image(train: Train, many: Path) -> None:
    left, folder = train("data.on_bad=stop")
    assert left.code == 2
    assert left.err.count("1.png") == 2
    assert not folder.exists()


def test_a_class_without_a_readable_training_image_stops(train: Train, many: Path) -> None:
    (many / "train" / "green").mkdir()
    (many / "train" / "green" / "a.png").write_text("no image")
    (many / "train" / "red" / "1.png").unlink()
    shutil.copytree(many / "val" / "blue", many / "val" / "green")
    left, _ = train()
    assert left.code == 2
    assert str(many / "train" / "green" / "a.png") in left.err


def test_a_folder_without_any_readable_image_stops(train: Train, many: Path) -> None:
    for path in many.rglob("*.png"):
        path.write_text("no image")
    left, folder = train()
    assert left.code == 2
    assert "20 of 20" in left.err
    assert "warning" not in left.out
    assert not folder.exists()


@pytest.mark.parametrize("key", ["retention.root", "contrast.root", "retention.anchors", "contrast.anchors"])
def test_a_few_unreadable_images_of_other_sets_are_left_out_too(train: Train, images: Path, key: str) -> None:
    others = images.parent / "others"
    for index in range(1, 80):
        shutil.copy(others / "0.png", others / f"{index}.png")
    (others / "7.png").write_text("no image")
    value = f"[{others}]" if key.endswith("anchors") else others
    left, folder = train(f"{key}={value}", "trainer.max_steps=1")
    assert left.code == 0, left.err
    assert "others/7.png" in (folder / "left_out.csv").read_text()


def test_a_validation_image_that_cannot_be_read_may_be_the_only_one(train: Train, many: Path) -> None:
    for name in ("red", "blue"):
        shutil.rmtree(many / "val" / name)
    (many / "train" / "red" / "1.png").unlink()
    (many / "val" / "red").mkdir()
    (many / "val" / "red" / "0.png").write_text("no image")
    left, folder = train()
    assert left.code == 0, left.err
    assert metrics_of(folder)["images"]["val"] == 0
