"""Cross-validated runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Train, metrics_of
from visionlora.data.splits.manifest import read_manifest
from visionlora.evaluation.cross_validation import summarize_folds


def test_each_image_reports_once_and_chooses_nothing_there_and_the_adapter_trains_on_all(
    train: Train,
) -> None:
    left, folder = train("data.folds=3", "trainer.max_steps=2")
    assert left.code == 0, left.err
    metrics = metrics_of(folder)
    folds = [metrics_of(folder / "folds" / str(number)) for number in (1, 2, 3)]
    assert sum(fold["images"]["test"] for fold in folds) == 16
    assert all(sum(fold["images"][part] for part in ("train", "val", "test")) == 16 for fold in folds)
    unseen = []
    for number in (1, 2, 3):
        read = read_manifest(folder / "folds" / str(number) / "images.json")
        roles = {
            role: {image.path for image in read if image.role == role} for role in ("train", "val", "test")
        }
        assert roles["test"].isdisjoint(roles["train"] | roles["val"])
        unseen += roles["test"]
    assert len(unseen) == len(set(unseen)) == 16
    assert metrics["images"]["train"] == metrics["images"]["val"] == 16
    assert metrics["folds"]["val/top1_each"] == [fold["test"]["after"]["top1"] for fold in folds]
    assert metrics["folds"]["selected_on_these_images"] == []
    assert "trained on" in metrics["after"]["selected_on_these_images"]
    assert "3 folds: top-1" in left.out
    assert "folds" not in folds[0]
    assert (folder / "adapter" / "adapter_model.safetensors").is_file()


def test_the_summary_weights_folds_by_their_images() -> None:
    def fold(top1: float, count: int) -> dict:
        test = {"after": {"top1": top1, "loss": 2 - top1}}
        return {"test": test, "images": {"test": count}, "strength": {"chosen": 0.5}}

    found = summarize_folds([fold(1.0, 4), fold(0.5, 2)], 6)
    assert found["val/top1"] == pytest.approx(5 / 6)
    assert found["val/loss"] == pytest.approx(7 / 6)
    low, high = found["val/top1_interval"]
    assert low < 5 / 6 < high
    assert found["val/top1_deviation"] == pytest.approx(0.3536, abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["data.folds=1"], "data.folds is 1; it takes a whole number from 2"),
        (["data.folds=17"], "data.folds is 17 for 16 images"),
    ],
)
def test_impossible_folds_are_refused(
    train: Train,
    arguments: list[str],
    complaint: str,
) -> None:
    left, folder = train(*arguments)
    assert left.code == 2
    assert complaint in left.err
    assert not (folder / "adapter").exists()


def test_a_class_of_one_image_cannot_be_cross_validated(train: Train, images: Path) -> None:
    for split in ("train", "val"):
        for image in sorted((images / split / "blue").iterdir())[: 5 if split == "val" else 4]:
            image.unlink()
    (images / "val" / "blue").rmdir()
    left, _ = train("data.folds=2")
    assert left.code == 2
    assert "class 'blue' has one image" in left.err


def test_an_image_that_cannot_be_read_is_left_out_of_every_fold(train: Train, images: Path) -> None:
    (images / "train" / "red" / "broken.png").write_bytes(b"no image")
    left, folder = train("data.folds=2", "trainer.max_steps=1")
    assert left.code == 0, left.err
    assert "left out 1 image that cannot be read" in left.out
    assert sum(metrics_of(folder / "folds" / n)["images"]["test"] for n in "12") == 16
    left, folder = train("data.folds=2", "trainer.max_steps=1", "data.on_bad=stop")
    assert left.code == 2 and "broken.png" in left.err
    assert not folder.exists()  # before a fold is trained
