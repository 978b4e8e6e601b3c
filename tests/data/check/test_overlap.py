"""Images that are in two sets although one of these learns or chooses and the other reports."""

from __future__ import annotations

import pytest

from visionlora.data.check.overlap import overlaps
from visionlora.data.splits.manifest import ReadImage


def read(role: str, path: str, content: str) -> ReadImage:
    return ReadImage(role, path, 1, content)


@pytest.mark.parametrize(
    ("one", "other"),
    [("train", "val"), ("train", "test"), ("val", "test"), ("anchor", "retention"), ("negative", "contrast")],
)
def test_one_image_in_two_sets_is_named_whatever_it_is_called(one: str, other: str) -> None:
    images = [read(one, "/a.png", "x"), read(one, "/b.png", "y"), read(other, "/c.png", "y")]
    (line,) = overlaps(images)
    assert line.startswith(f"1 image is in both {one} and {other}, the first: /b.png is /c.png")


def test_sets_without_a_common_image_and_sets_that_may_share_some_are_not_named() -> None:
    assert overlaps([read("train", "/a", "x"), read("val", "/b", "y"), read("retention", "/c", "z")]) == []
    assert overlaps([read("train", "/a", "x"), read("anchor", "/b", "x")]) == []
    same = [read(role, f"/{number}", str(number)) for role in ("train", "val") for number in range(3)]
    assert overlaps(same) == []  # data.folds: the last run has nothing else


def test_one_image_under_two_labels_is_named() -> None:
    images = [
        ReadImage("train", "/a", 1, "x", "cat"), ReadImage("val", "/b", 1, "x", "dog"),
        ReadImage("train", "/c", 1, "y", "cat"), ReadImage("train", "/d", 1, "y", "cat"),
    ]  # fmt: skip
    conflict, shared = overlaps(images)
    assert conflict.startswith("1 image is under different labels, the first: /a (cat) is /b (dog)")
    assert shared.startswith("1 image is in both train and val")
