"""Negative images where the user gives none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Train, metrics_of
from visionlora.retention.negatives import drawings_of_others


def subjects(classes: tuple[str, ...]) -> set[str]:
    return {image.path.stem.partition("-")[2] for image in drawings_of_others(classes)}


def test_drawings_of_a_trained_class_are_left_out() -> None:
    everything, others = subjects(("goldfish",)), subjects(("clownfish", "Tabby_Cat", "ice cream"))
    assert everything - others == {"clownfish", "grey-cat", "art-cat", "cat", "ice-cream"}


def test_few_classes_get_shipped_drawings_and_generated_negatives(
    train: Train,
) -> None:
    left, folder = train("retention.generated=16", "contrast.generated=6")
    assert left.code == 0, left.err
    assert "6 made from the training images" in left.out
    assert metrics_of(folder)["pictures"]["anchors"] == 16 + 6 + 128


@pytest.mark.parametrize("setting", ["contrast.generated=0", "contrast.anchors=[] contrast.generated=6"])
def test_negatives_can_be_switched_off(train: Train, setting: str) -> None:
    _, folder = train("retention.generated=16", *setting.split())
    assert metrics_of(folder)["pictures"]["anchors"] == 16


def test_a_broken_training_image_is_reported_once(
    train: Train,
    images: Path,
) -> None:
    next((images / "train" / "red").iterdir()).write_bytes(b"no image")
    left, _ = train("retention.generated=16")
    assert left.code == 2
    assert "1 image cannot be used" in left.err.replace("\n", " ")
