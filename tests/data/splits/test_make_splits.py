from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visionlora.data.images.decode import ImageFile
from visionlora.data.splits.make_splits import (
    MANY_VAL,
    MOST_TEST,
    FoundImages,
    ImageFolder,
    k_folds,
    make_folder,
    stratified,
    with_report,
)
from visionlora.errors import VisionLoraError

ROOT = Path("/images")


@pytest.fixture(autouse=True, scope="module")
def no_copies() -> Iterator[None]:
    """The images are not there, so none is compared with others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("visionlora.data.splits.make_splits.same_images", lambda paths: {})
        yield


def images(counts: dict[str, int], root: Path = ROOT) -> list[ImageFile]:
    return [
        ImageFile(root / label / f"{i}.png", label) for label, count in counts.items() for i in range(count)
    ]


counts = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 40), min_size=1)


@given(counts, st.floats(0, 0.99), st.integers(0, 2**31))
def test_a_split_loses_and_doubles_nothing(sizes: dict[str, int], fraction: float, seed: int) -> None:
    everything = images(sizes)
    train, val = stratified(everything, ROOT, fraction, seed)
    assert sorted(train + val, key=lambda p: p.path) == sorted(everything, key=lambda p: p.path)


@given(counts, st.floats(0.01, 0.99), st.integers(0, 2**31))
def test_every_class_trains_and_validates_in_proportion(
    sizes: dict[str, int], fraction: float, seed: int
) -> None:
    train, val = stratified(images(sizes), ROOT, fraction, seed)
    in_train, in_val = Counter(p.label for p in train), Counter(p.label for p in val)
    for label, count in sizes.items():
        assert in_train[label] >= 1
        assert in_val[label] == min(max(1, round(count * fraction)), count - 1)


@given(
    st.dictionaries(st.sampled_from("abcdefgh"), st.integers(2, 20), min_size=1),
    st.integers(2, 6),
    st.integers(0, 2**31),
)
def test_folds_judge_every_image_once_and_can_learn_every_class(
    sizes: dict[str, int], folds: int, seed: int
) -> None:
    everything = images(sizes)
    if folds > len(everything):
        return
    parts = k_folds(everything, ROOT, folds, seed)
    assert sorted(p.path for _, val in parts for p in val) == sorted(p.path for p in everything)
    for train, val in parts:
        assert not set(train) & set(val)
        assert len(train) + len(val) == len(everything)
        assert {p.label for p in train} == set(sizes)
    lengths = [len(val) for _, val in parts]
    assert max(lengths) - min(lengths) <= 1


@given(counts, st.integers(0, 2**31), st.randoms())
def test_a_split_depends_on_neither_order_nor_place(sizes: dict[str, int], seed: int, random: object) -> None:
    here = images(sizes)
    elsewhere = images(sizes, Path("/mnt/copy"))
    random.shuffle(elsewhere)  # type: ignore[attr-defined]
    val_here = {p.path.relative_to(ROOT) for p in stratified(here, ROOT, 0.25, seed)[1]}
    val_there = {
        p.path.relative_to("/mnt/copy") for p in stratified(elsewhere, Path("/mnt/copy"), 0.25, seed)[1]
    }
    assert val_here == val_there


@given(counts, st.integers(0, 2**31))
def test_another_class_leaves_the_split_of_the_first_alone(sizes: dict[str, int], seed: int) -> None:
    alone = stratified(images(sizes), ROOT, 0.25, seed)[1]
    together = stratified(images({**sizes, "newcomer": 9}), ROOT, 0.25, seed)[1]
    assert alone == [p for p in together if p.label != "newcomer"]


def test_seeds_give_different_splits() -> None:
    everything = images({"a": 40})
    assert stratified(everything, ROOT, 0.25, 0)[1] != stratified(everything, ROOT, 0.25, 1)[1]


@pytest.mark.parametrize(("count", "validating"), [(1, 0), (2, 1), (3, 1), (4, 1), (8, 2)])
def test_small_classes_split_as_documented(count: int, validating: int) -> None:
    train, val = stratified(images({"a": count}), ROOT, 0.25, 0)
    assert (len(train), len(val)) == (count - validating, validating)


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
