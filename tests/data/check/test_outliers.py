from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from visionlora.data.check.findings import SeenImage
from visionlora.data.check.inspect import _strays
from visionlora.data.check.outliers import Stray, far_from_class, ranked


def clusters(*sizes: int, spread: float = 0.1) -> tuple[np.ndarray, list[str]]:
    """Points around a different axis for each class."""
    random = np.random.default_rng(0)
    rows = [np.eye(8)[place] + spread * random.normal(size=(size, 8)) for place, size in enumerate(sizes)]
    return np.concatenate(rows).astype(np.float32), [
        f"c{place}" for place, n in enumerate(sizes) for _ in range(n)
    ]


def test_an_image_under_the_wrong_label_comes_first_with_the_class_that_it_resembles() -> None:
    features, labels = clusters(20, 20, 20)
    labels[3] = "c2"
    found = far_from_class(features, labels)
    assert (found[0].place, found[0].nearest) == (3, "c0")
    assert found[0].other > found[0].own


def test_an_image_unlike_anything_is_found_without_a_class_that_it_resembles() -> None:
    features, labels = clusters(20, 20)
    features[5] = np.eye(8)[6]
    assert [(stray.place, stray.nearest) for stray in far_from_class(features, labels)] == [(5, "")]


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (1, "1 image is far from all others of its class"),
        (2, "2 images are far from all others of their class"),
    ],
)
def test_one_image_has_a_class_and_several_have_theirs(count: int, said: str) -> None:
    images = [SeenImage(Path(f"{place}.png"), "a", "train") for place in range(count)]
    assert [one.title for one in _strays(images, [Stray(place, 0.1, 0.1, "") for place in range(count)])] == [
        said
    ]


def test_images_that_fit_their_classes_are_left_alone() -> None:
    assert far_from_class(*clusters(20, 30, 3)) == []


def test_what_is_clear_comes_first_and_what_is_likely_is_listed_behind_it() -> None:
    features, labels = clusters(20, 20, 20, spread=0.35)
    labels[3] = "c2"
    first, *others = ranked(features, labels)
    assert (first.place, first.clear) == (3, True)
    assert not any(stray.clear for stray in others)
    assert {first.place, *(stray.place for stray in others)} >= {
        stray.place for stray in far_from_class(features, labels)
    }
    vague = ranked(*clusters(20, 20, 20, spread=0.5))
    assert vague
    assert not any(stray.clear for stray in vague)


def test_what_is_clear_is_a_warning_and_the_rest_a_note() -> None:
    images = [SeenImage(Path(f"{place}.png"), "a", "train") for place in range(3)]
    strays = [
        Stray(0, 0.1, 0.9, "b"),
        Stray(1, 0.1, 0.2, "b", clear=False),
        Stray(2, 0.1, 0.2, "b", clear=False),
    ]
    assert [(one.severity, one.title, len(one.groups)) for one in _strays(images, strays)] == [
        ("warning", "1 image is far from all others of its class", 1),
        ("note", "2 images look least like their class", 2),
    ]


def test_classes_that_the_features_cannot_tell_apart_are_not_judged() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(60, 8)).astype(np.float32)
    assert len(far_from_class(features, ["a", "b", "c"] * 20)) <= 3


def test_one_class_two_images_and_none_are_no_trouble() -> None:
    assert far_from_class(*clusters(12)) == []
    assert far_from_class(*clusters(1, 2)) == []
    assert far_from_class(np.zeros((0, 4), np.float32), []) == []
    assert far_from_class(np.zeros((9, 4), np.float32), ["a"] * 9) == []
