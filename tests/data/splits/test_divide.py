from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.splits.images import ROOT, images
from visionlora.data.splits.divide import k_folds, stratified

pytestmark = pytest.mark.usefixtures("no_copies")


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
