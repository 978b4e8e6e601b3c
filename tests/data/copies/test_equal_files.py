"""Copies of an image, and on which side of a split they are."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from visionlora.data.copies.equal_files import equal_files
from visionlora.data.images.decode import ImageFile
from visionlora.data.layout.folders import scan
from visionlora.data.splits.divide import k_folds, stratified


def write(root: Path, contents: dict[str, list[int]]) -> list[ImageFile]:
    """Files of each class, equal where their numbers are."""
    images = []
    for label, numbers in contents.items():
        (root / label).mkdir(parents=True, exist_ok=True)
        for place, number in enumerate(numbers):
            path = root / label / f"{place}.jpg"
            path.write_bytes(b"%08d" % number)
            images.append(ImageFile(path, label))
    return images


def test_pipes_and_devices_are_not_read(tmp_path: Path) -> None:
    for name in ("a", "b"):
        os.mkfifo(tmp_path / f"pipe {name}")
        (tmp_path / f"endless {name}").symlink_to("/dev/zero")
    found = equal_files(sorted(tmp_path.iterdir()))
    assert found == {}, "who opens a pipe waits for ever"


def test_equal_files_are_those_with_equal_bytes_and_links_to_one_file(tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("a", "copy of a", "same end", "same size", "link", "linked")}
    files["a"].write_bytes(b"x" * 3000)
    files["copy of a"].write_bytes(b"x" * 3000)
    files["same end"].write_bytes(b"y" + b"x" * 2999)
    files["same size"].write_bytes(b"z" * 3000)
    files["linked"].write_bytes(b"alone")
    os.link(files["linked"], files["link"])
    found = equal_files([*files.values(), tmp_path / "gone"])
    assert {path.name for path in found} == {"a", "copy of a", "link", "linked"}
    assert found[files["a"]] == found[files["copy of a"]] != found[files["link"]] == found[files["linked"]]


numbers = st.lists(st.integers(0, 12), min_size=2, max_size=16)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=40)
@given(st.dictionaries(st.sampled_from("abc"), numbers, min_size=1), st.integers(0, 99))
def test_a_made_split_has_no_image_on_both_sides(
    tmp_path_factory: pytest.TempPathFactory, contents: dict[str, list[int]], seed: int
) -> None:
    root = tmp_path_factory.mktemp("images")
    images = write(root, contents)
    train, val = stratified(images, root, 0.25, seed)
    assert sorted((*train, *val), key=lambda one: one.path) == sorted(images, key=lambda one: one.path)
    assert {one.label for one in train} == set(contents)
    once = {one for one in contents if len(set(contents[one])) == 1}
    sides = [{one.path.read_bytes() for one in side if one.label not in once} for side in (train, val)]
    if not once and len(contents) == 1:
        assert not sides[0] & sides[1]
        assert val
    for label in contents.keys() - once:
        mine = [{one.path.read_bytes() for one in side if one.label == label} for side in (train, val)]
        assert not mine[0] & mine[1]


def test_copies_under_two_labels_are_on_one_side_except_where_a_class_has_nothing_else(
    tmp_path: Path,
) -> None:
    images = write(tmp_path, {"a": [1, 2, 3, 4], "b": [1, 2, 3, 4], "c": [5, 5, 5]})
    train, val = stratified(images, tmp_path, 0.25, 0)
    shared = {one.path.read_bytes() for one in train} & {one.path.read_bytes() for one in val}
    assert shared == {b"00000005"}
    assert Counter(one.label for one in val) == {"a": 1, "b": 1, "c": 1}


def test_copies_are_in_one_fold_and_every_fold_can_learn_every_class(tmp_path: Path) -> None:
    images = write(tmp_path, {"a": [1] * 4 + [2], "b": [3, 3, 4, 4, 5], "c": [6, 6]})
    for train, val in k_folds(images, tmp_path, 2, 0):
        assert {one.label for one in train} == {"a", "b", "c"}
        shared = {one.path.read_bytes() for one in train} & {one.path.read_bytes() for one in val}
        assert shared <= {b"00000006"}, "c has nothing else"


def test_a_split_by_us_says_that_copies_stay_together(tmp_path: Path) -> None:
    write(tmp_path, {"a": [1, 1, 2, 3], "b": [4, 5, 6, 7]})
    assert "2 images are copies, equal or similar: each is on the side of its copies" in scan(tmp_path).notes
