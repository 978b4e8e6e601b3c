"""Which images a learned start keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from visionlora.meta_learning.problem import anchor_images
from visionlora.models.known import PHOTO_LIKE
from visionlora.notices import Notices


def test_without_a_folder_shipped_images_serve_and_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    found = anchor_images("auto", [], Notices())
    assert len(found) == 240 and all(PHOTO_LIKE in image.path.parents for image in found)
    assert "shipped images serve instead" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(("folders", "count"), [("auto", 1), (["others"], 2), ([], 0)])
def test_images_of_the_network_and_named_folders_come_first(
    folders: str | list[str], count: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, images in (("own", 1), ("others", 2)):
        (tmp_path / name).mkdir()
        for number in range(images):
            (tmp_path / name / f"{number}.png").touch()
    named = folders if isinstance(folders, str) else [str(tmp_path / name) for name in folders]
    assert len(anchor_images(named, [tmp_path / "own"], Notices())) == count
    assert not capsys.readouterr().out
