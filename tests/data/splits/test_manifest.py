"""The list of images that a run read."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.conftest import Draw
from visionlora.data.images.decode import ImageFile
from visionlora.data.splits.manifest import read_images, read_manifest, without_used, write_manifest
from visionlora.errors import VisionLoraError


def test_a_manifest_has_role_path_size_hash_and_class_of_each_image(draw: Draw, tmp_path: Path) -> None:
    one, other, bad = draw("a.png"), draw("b.png", colour=(0, 0, 9)), tmp_path / "bad.png"
    files = {"train": (ImageFile(one, "fish"), ImageFile(bad, "fish")), "anchor": (ImageFile(other),)}
    write_manifest(read_images(files, [bad]), tmp_path / "images.json")
    assert json.loads((tmp_path / "images.json").read_text()) == {
        "images": [
            {
                "role": role, "path": str(path), "size": path.stat().st_size, "label": label,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
            for role, path, label in (("train", one, "fish"), ("anchor", other, None))
        ]
    }  # fmt: skip


def test_images_are_recognised_by_their_content(draw: Draw, tmp_path: Path) -> None:
    one, other = draw("a.png"), draw("b.png", colour=(0, 0, 9))
    write_manifest(read_images({"train": [ImageFile(one)]}), tmp_path / "images.json")
    used = read_manifest(tmp_path / "images.json")
    copy = ImageFile(Path(shutil.copy(one, tmp_path / "c.png")))
    assert without_used([copy, ImageFile(other), ImageFile(one)], used) == (ImageFile(other),)
    assert without_used([copy], ()) == (copy,)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_file_name_that_is_no_text_is_kept(draw: Draw, tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/k\xe4fer.png"))
    draw("a.png").rename(path)
    write_manifest(read_images({"train": [ImageFile(path)]}), tmp_path / "images.json")
    assert read_manifest(tmp_path / "images.json")[0].path == str(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"images": [1]}', '{"images": [{"role": "train"}]}'])
def test_a_file_that_is_no_manifest_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "images.json").write_text(text)
    with pytest.raises(VisionLoraError, match=r"images\.json is not a list of a run's images"):
        read_manifest(tmp_path / "images.json")
