"""Which images serve as anchors."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.conftest import Draw
from visionlora.data import ImageFile, scan_images
from visionlora.models.known import PHOTO_LIKE
from visionlora.notices import Notices
from visionlora.retention.anchors import anchor_sources
from visionlora.retention.config import RetentionConfig


def generated() -> Sequence[Tensor]:
    return [torch.zeros(3, 8, 8, dtype=torch.uint8)]


def never() -> Sequence[Tensor]:
    raise AssertionError("generated for nothing")


@pytest.mark.parametrize("anchors", ["auto", []])
def test_without_photos_generated_and_shipped_images_serve(
    anchors: str | list[str], few_anchors: Path
) -> None:
    notices = Notices()
    made, shipped = anchor_sources(RetentionConfig(anchors=anchors), (), generated, notices)
    assert len(made) == 1 and isinstance(made[0], Tensor)
    assert shipped == scan_images([few_anchors])
    assert any("256 generated images and 2 shipped ones serve instead" in line for line in notices.messages)


def test_the_shipped_ones_serve_alone_where_none_are_generated() -> None:
    notices = Notices()
    (shipped,) = anchor_sources(RetentionConfig(generated=0), (), never, notices)
    assert all(isinstance(one, ImageFile) for one in shipped)
    assert any(": 2 shipped images serve instead" in line for line in notices.messages)


def test_folders_of_the_user_or_of_the_network_are_all_the_anchors(draw: Draw) -> None:
    photos = draw("photos/0.png").parent
    for options, own in ((RetentionConfig(anchors=[str(photos)]), ()), (RetentionConfig(), (photos,))):
        (only,) = anchor_sources(options, own, never, Notices())
        assert only == scan_images([photos])


def test_the_package_has_anchors() -> None:
    assert len(scan_images([PHOTO_LIKE])) >= 100
