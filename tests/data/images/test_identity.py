from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import Draw
from visionlora.data.images.decode import BadImage, ImageFile
from visionlora.data.images.identity import file_hash, identities, ordered


def test_an_image_is_known_by_its_content_whatever_its_name_and_label(draw: Draw, tmp_path: Path) -> None:
    one, other = draw("a.png"), draw("b.png", colour=(1, 2, 3))
    copy = tmp_path / "copy.png"
    copy.write_bytes(one.read_bytes())
    names = identities([ImageFile(one, "x"), ImageFile(other), ImageFile(copy, "y")])
    assert names[0] == names[2] != names[1]


def test_pixels_that_are_no_file_are_known_by_their_values() -> None:
    image = torch.arange(48, dtype=torch.uint8).reshape(3, 4, 4)
    same, turned, other = identities([image, image.flip(2).flip(2), image + 1])
    assert same == turned != other


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one")
    os.utime(path, ns=(1, 1))
    before = file_hash(path)
    path.write_bytes(b"two")
    os.utime(path, ns=(2, 2))
    assert file_hash(path) != before


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadImage, match=r"gone\.png: no such file"):
        identities([ImageFile(tmp_path / "gone.png")])


@given(st.lists(st.text(max_size=3), unique=True, max_size=30), st.integers(), st.randoms())
def test_the_order_of_images_is_no_function_of_their_places(names: list[str], seed: int, random) -> None:
    order = [names[place] for place in ordered(names, "epoch", seed)]
    assert sorted(order) == sorted(names)
    shuffled = random.sample(names, len(names))
    assert [shuffled[place] for place in ordered(shuffled, "epoch", seed)] == order
    some = names[::2]
    assert [some[place] for place in ordered(some, "epoch", seed)] == [name for name in order if name in some]
