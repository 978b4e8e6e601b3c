"""The benchmark of the ordinary case: what chooses, what reports, and the images of its rows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from benchmarks import ordinary
from benchmarks.ordinary_tasks import ANIMALS, EVERYDAY, Row, make_rows, small_input_weights
from benchmarks.quality_methods import OURS
from benchmarks.quality_tasks import REAL
from visionlora.data import scan
from visionlora.errors import VisionLoraError
from visionlora.models import load_backbone

ROW = Row("a", "some images", 5, Path())
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason=f"{REAL} has the real weights and images")


def record(method: str, lr: float | None, val: float, test: float, seconds: float = 10.0) -> dict:
    return {
        "row": "a", "method": method, "lr": lr, "seed": 0, "val": val, "test": test, "images": 100,
        "core_s": seconds, "wall_s": seconds,
    }  # fmt: skip


def test_validation_images_choose_the_learning_rate_and_test_images_do_not() -> None:
    records = [record("PEFT LoRA", 1e-3, val=0.6, test=0.9), record("PEFT LoRA", 3e-3, val=0.7, test=0.5)]
    best = ordinary.chosen(records, "a", "PEFT LoRA")
    assert best is not None and best["lr"] == 3e-3


def test_of_equally_good_learning_rates_the_middle_one_is_taken() -> None:
    records = [record("PEFT LoRA", lr, val=0.6, test=0.5) for lr in (3e-3, 3e-4, 1e-3)]
    best = ordinary.chosen(records, "a", "PEFT LoRA")
    assert best is not None and best["lr"] == 1e-3


def test_the_table_shows_figures_with_interval_seconds_and_rate() -> None:
    records = [record(OURS, None, 0.5, 0.8), record("PEFT LoRA", 1e-3, 0.5, 0.7, 21.4)]
    text = ordinary.table(records, [ROW])
    assert "some images: 5 a class | 100 | 0.800 (0.71 to 0.87), 10 s | not run | not run |" in text
    assert "0.700 (0.60 to 0.78), 21 s, 0.001 (1 of 3 rates run) |" in text


@pytest.mark.parametrize(
    ("method", "test", "seconds", "words"),
    [
        ("PEFT LoRA", 0.95, 20, "PEFT LoRA is above the interval of ours"),
        ("full fine-tuning", 0.5, 5, "full fine-tuning takes less time than ours"),
        ("full fine-tuning", 0.85, 20, "No method is above the interval"),
    ],
)
def test_the_verdict_names_what_is_better_or_faster(
    method: str, test: float, seconds: float, words: str
) -> None:
    records = [record(OURS, None, 0.5, 0.8), record(method, 1e-3, 0.5, test, seconds)]
    assert words in ordinary.verdict(records, [ROW])


def test_without_a_comparison_there_is_no_verdict() -> None:
    assert ordinary.verdict([record(OURS, None, 0.5, 0.8)], [ROW]) == ""


def test_missing_real_images_are_named(tmp_path: Path) -> None:
    with pytest.raises(VisionLoraError, match="is missing"):
        make_rows(tmp_path, tmp_path / "nowhere", "b")
    with pytest.raises(VisionLoraError, match="is missing"):
        small_input_weights(tmp_path, tmp_path / "nowhere", 128)


def test_the_halves_have_no_class_in_common() -> None:
    assert not set(EVERYDAY["a"]) & set(EVERYDAY["b"])
    first, second = (
        {number for ranges in ANIMALS[half].values() for several in ranges for number in several}
        for half in "ab"
    )
    assert not first & second


@needs_real
@pytest.mark.parametrize("half", ["a", "b"])
def test_no_image_of_a_row_is_in_two_of_its_splits(tmp_path: Path, half: str) -> None:
    for row in make_rows(tmp_path, REAL, half).values():
        folder = scan(row.root)
        splits = [
            {image.path.resolve() for image in split} for split in (folder.train, folder.val, folder.test)
        ]
        assert sum(map(len, splits)) == len(set.union(*splits))
        assert max(Counter(image.label for image in folder.train).values()) == row.images
        assert all(splits), row.name


@needs_real
def test_weights_for_a_small_input_say_so(tmp_path: Path) -> None:
    path = small_input_weights(tmp_path, REAL, 96)
    backbone = load_backbone("squeezenet1_0", str(path))
    assert (backbone.preprocessing.resize, backbone.preprocessing.crop) == (110, 96)
    assert "goldfish" in backbone.categories
