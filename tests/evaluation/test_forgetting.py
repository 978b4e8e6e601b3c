"""Forgotten classes, counted by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from visionlora.data import ImageFile
from visionlora.evaluation.forgetting import Changes, changes_sheet
from visionlora.evaluation.predictions import Predictions

NAMES = ["cat", "dog", "yawl", "goldfish"]


def predictions(said: list[int], labels: list[int], outputs: int = 4) -> Predictions:
    return Predictions(
        torch.nn.functional.one_hot(torch.tensor(said), outputs).float() * 9, torch.tensor(labels)
    )


@pytest.fixture
def changes() -> Changes:
    """Of three cats two become goldfish and one a dog; a yawl is gained; goldfish is a new output."""
    right = [0, 0, 0, 1, 2]
    return Changes(predictions([0, 0, 0, 1, 0], right, 3), predictions([3, 3, 1, 1, 2], right), NAMES)


def test_a_forgotten_class_is_listed_with_its_current_predictions(changes: Changes) -> None:
    figures = changes.metrics([3])
    assert (figures["forgotten"], figures["gained"], figures["forgotten_for_a_trained_name"]) == (3, 1, 2)
    (cat,) = figures["classes"]
    assert (cat["class"], cat["images"]) == ("cat", 3)
    assert (cat["before/top1"], cat["after/top1"]) == (1, 0)
    assert cat["now"] == {"goldfish": 2, "dog": 1}


def test_an_unlabelled_image_belongs_to_the_class_that_the_frozen_network_predicts() -> None:
    nobody = [-1] * 4
    changes = Changes(predictions([1, 1, 2, 2], nobody, 3), predictions([1, 3, 3, 3], nobody), NAMES)
    assert [one["class"] for one in changes.metrics([3])["classes"]] == ["yawl", "dog"]
    assert changes.metrics([3])["gained"] == 0
    assert "3 of 4" in changes.summary()
    rows = changes.rows([ImageFile(Path(f"{place}.png")) for place in range(4)])
    assert [row.path.name for row in rows] == ["2.png", "3.png", "1.png"]
    assert all(row.truth is None for row in rows)


def test_images_of_the_most_forgotten_class_come_first() -> None:
    right = [1, 0, 0]
    changes = Changes(predictions([1, 0, 0], right, 3), predictions([0, 2, 2], right), NAMES)
    rows = changes.rows([ImageFile(Path(f"{place}.png")) for place in range(3)])
    assert [row.path.name for row in rows] == ["1.png", "2.png", "0.png"]
    assert rows[0].truth == "cat"
    assert rows[0].after[0][0] == "yawl"


def test_the_sheet_is_written_even_if_nothing_was_forgotten_or_measured(
    changes: Changes, tmp_path: Path
) -> None:
    images = []
    for place in range(5):
        Image.new("RGB", (20, 20), "red").save(tmp_path / f"{place}.png")
        images.append(ImageFile(tmp_path / f"{place}.png"))
    same = Changes(changes.frozen, changes.frozen, NAMES)
    for name, shown in (("some", changes), ("none", same), ("unmeasured", None)):
        changes_sheet(shown, images if shown else [], tmp_path / f"sheet_{name}.png")
    heights = [Image.open(tmp_path / f"sheet_{name}.png").height for name in ("some", "none", "unmeasured")]
    assert heights[0] > heights[1] == heights[2] > 100
