"""The benchmark of the training options: what it compares, and that every option is one of the product's."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.ordinary_tasks import Row
from benchmarks.training_options import COUNTS, OPTIONS, Option, found, table, uneven
from visionlora.command import compose
from visionlora.train import COMMAND
from visionlora.training.config import read_config


def record(option: Option, test: float) -> dict:
    return {"option": option.name, "uneven": option.uneven, "test": test, "images": 100, "core_s": 20.0}


def test_a_line_shows_the_difference_to_the_defaults_on_the_same_images() -> None:
    even, mixup, *_ = OPTIONS
    usual, weighted = [option for option in OPTIONS if option.uneven][:2]
    pairs = ((even, 0.7), (mixup, 0.65), (usual, 0.5), (weighted, 0.6))
    text = table([record(option, test) for option, test in pairs])
    assert "| MixUp | `augment.mixup=0.2` | 0.650 (0.55 to 0.74) | -0.050 | 20 |" in text
    assert "| class weights | `optimizer.class_weights=true` | 0.600 (0.50 to 0.69) | +0.100 | 20 |" in text


def test_what_was_not_run_has_no_line() -> None:
    assert "CutMix" not in table([record(OPTIONS[0], 0.7)])
    assert found([], OPTIONS[0]) is None


@pytest.mark.parametrize("option", [one for one in OPTIONS if one.settings], ids=lambda one: one.name)
def test_every_option_is_one_of_the_product(option: Option) -> None:
    usual = read_config(compose(COMMAND, ["data.root=x"]))
    assert read_config(compose(COMMAND, ["data.root=x", *option.settings])) != usual


def test_uneven_classes_have_the_counts_and_all_images_to_judge_by(tmp_path: Path) -> None:
    for split, count in (("train", 50), ("val", 3), ("test", 4)):
        for name in "abcde":
            (tmp_path / "row" / split / name).mkdir(parents=True)
            for place in range(count):
                (tmp_path / "row" / split / name / f"{place:02}.jpg").touch()
    made = uneven(Row("row", "images", 50, tmp_path / "row"), tmp_path / "uneven")
    sizes = [len(list((made.root / "train" / name).iterdir())) for name in "abcde"]
    assert sizes == list(COUNTS)
    assert len(list((made.root / "test").glob("*/*"))) == 20
