"""Which images serve as anchors."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.conftest import Draw
from visionlora.data import ImageFile, scan_images
from visionlora.models.known import PHOTO_LIKE
from visionlora.notices import Notices
from visionlora.retention.anchors import anchor_sources
from visionlora.retention.config import ContrastConfig, RetentionConfig
from visionlora.retention.negatives import negative_images


def generated() -> Sequence[Tensor]:
    return [torch.zeros(3, 8, 8, dtype=torch.uint8)]


def never() -> Sequence[Tensor]:
    raise AssertionError("generated for nothing")


@pytest.mark.parametrize("anchors", ["auto", []])
def test_without_photos_generated_images_serve_and_with_many_classes_shipped_ones_too(
    anchors: str | list[str],
) -> None:
    options, notices = RetentionConfig(anchors=anchors), Notices()
    (made,) = anchor_sources(options, (), 15, generated, notices)
    assert len(made) == 1 and isinstance(made[0], Tensor)
    made, shipped = anchor_sources(options, (), 16, generated, notices)
    assert len(made) == 1 and isinstance(made[0], Tensor)
    assert shipped == scan_images([PHOTO_LIKE])
    few, many = notices.messages
    assert ": 256 generated images serve instead" in few
    assert ": 256 generated images and 240 shipped images serve instead" in many


def test_where_none_are_generated_shipped_ones_serve_alone() -> None:
    options, notices = RetentionConfig(generated=0), Notices()
    assert anchor_sources(options, (), 15, never, notices) == []
    assert notices.messages == []
    (shipped,) = anchor_sources(options, (), 16, never, notices)
    assert len(shipped) == 240 and all(isinstance(one, ImageFile) for one in shipped)


def test_folders_of_the_user_or_of_the_network_are_all_the_anchors(draw: Draw) -> None:
    photos = draw("photos/0.png").parent
    for options, own in ((RetentionConfig(anchors=[str(photos)]), ()), (RetentionConfig(), (photos,))):
        (only,) = anchor_sources(options, own, 16, never, Notices())
        assert only == scan_images([photos])


@pytest.mark.parametrize(
    ("folders", "counts", "said"),
    [
        (["photos", "photos"], [3], "retention.anchors: 3 images of photos are in a folder before it too"),
        (["photos", "./photos/"], [3], "3 images of photos are"),
        (["photos", "link"], [3], "3 images of link are"),
        (["photos", "photos/cats"], [3], "1 image of photos/cats is in a folder before it too"),
        (["photos/cats", "photos"], [1, 2], "1 image of photos is in a folder before it too"),
    ],
)
def test_an_image_in_two_of_the_folders_is_one_anchor(
    folders: list[str],
    counts: list[int],
    said: str,
    draw: Draw,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("photos/0.png", "photos/1.png", "photos/cats/2.png"):
        draw(name)
    (tmp_path / "link").symlink_to(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    notices = Notices()
    sources = anchor_sources(RetentionConfig(anchors=folders), (), 2, never, notices)
    assert list(map(len, sources)) == counts
    assert said in "\n".join(notices.messages)


def test_an_image_in_two_of_the_folders_is_one_negative(
    draw: Draw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw("others/0.png")
    draw("others/deep/1.png")
    monkeypatch.chdir(tmp_path)
    notices = Notices()
    options = ContrastConfig(anchors=["others", "others/deep", "others"])
    loaders: Any = None
    assert len(negative_images(options, {"fish": ""}, (), (), loaders, notices)) == 2
    assert "contrast.anchors: 2 images of others are in a folder before it too" in "\n".join(notices.messages)
