from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.data.splits.images import ROOT, images
from visionlora.data.images.decode import ImageFile
from visionlora.data.splits.make_splits import (
    MANY_VAL,
    MOST_TEST,
    FoundImages,
    ImageFolder,
    make_folder,
    with_report,
)
from visionlora.errors import VisionLoraError

pytestmark = pytest.mark.usefixtures("no_copies")


def test_a_fraction_of_zero_leaves_everything_in_train() -> None:
    folder, _ = make_folder(FoundImages(ROOT, {"train": images({"a": 9})}), val_fraction=0, seed=0)
    assert (len(folder.train), folder.val) == (9, ())


@pytest.mark.parametrize("fraction", [-0.1, 1.0, float("nan")])
def test_an_impossible_fraction_is_refused(fraction: float) -> None:
    with pytest.raises(VisionLoraError, match=r"data\.val_fraction is .*; set it to"):
        make_folder(FoundImages(ROOT, {"train": images({"a": 9})}), val_fraction=fraction, seed=0)


def test_a_given_val_split_is_left_alone() -> None:
    found = {"train": images({"a": 9}), "val": images({"a": 2}, Path("/val"))}
    folder, _ = make_folder(FoundImages(ROOT, found), val_fraction=0.5, seed=0)
    assert (len(folder.train), len(folder.val)) == (9, 2)


def test_of_many_validation_images_half_report_where_there_are_no_test_images() -> None:
    train, val = images({"a": 3, "b": 3}), images({"a": MANY_VAL - 10, "b": 10}, ROOT / "val")
    folder = ImageFolder(ROOT, ("a", "b"), tuple(train), tuple(val))
    parted, said = with_report(folder, seed=0)
    assert sorted((*parted.val, *parted.test), key=lambda p: p.path) == sorted(val, key=lambda p: p.path)
    assert Counter(p.label for p in parted.test) == {"a": (MANY_VAL - 10) // 2, "b": 5}
    assert said == f"no test images: of {MANY_VAL} validation images 200 choose and 200 report the result"


@pytest.mark.parametrize("val", [[], images({"a": MANY_VAL - 1}), images({"a": MANY_VAL}, ROOT / "train")])
def test_few_validation_images_and_those_that_are_trained_on_report_nothing(val: list[ImageFile]) -> None:
    train = images({"a": MANY_VAL}, ROOT / "train")
    folder = ImageFolder(ROOT, ("a",), tuple(train), tuple(val))
    assert with_report(folder, seed=0) == (folder, None)


def test_of_very_many_test_images_an_even_part_reports() -> None:
    test = tuple(images({"a": MOST_TEST * 2}))
    folder = ImageFolder(ROOT, ("a",), (), (), test)
    parted, said = with_report(folder, seed=0)
    assert parted.test == test[::2]
    assert said is not None and said.startswith("2,000 of 4,000 test images report the result")
    assert with_report(parted, seed=0) == (parted, None)
