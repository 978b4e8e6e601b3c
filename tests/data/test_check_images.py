from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Draw
from visionlora.data import check_images as checking
from visionlora.data.cache import ImageCache
from visionlora.data.check_images import check, find_bad, refuse
from visionlora.data.images import ImageFile
from visionlora.errors import VisionLoraError


def bad(tmp_path: Path, name: str) -> ImageFile:
    path = tmp_path / name
    path.write_text("not an image")
    return ImageFile(path, "a")


def test_good_images_pass_and_are_in_the_cache_afterwards(
    draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [ImageFile(draw(f"{i}.png"), "a") for i in range(5)]
    cache = ImageCache(1, 32)
    check(images, cache)
    assert len(cache.memory) == 5
    monkeypatch.setattr(ImageCache, "decode", None)
    for image in images:
        cache.read(image.path)
    check(images, cache)


def test_without_a_cache_images_are_opened_all_the_same(draw: Draw, tmp_path: Path) -> None:
    check([ImageFile(draw("a.png"))])
    with pytest.raises(VisionLoraError, match="1 image cannot be used"):
        check([ImageFile(draw("a.png")), bad(tmp_path, "b.png")])


def test_all_bad_images_are_reported_together_each_once(draw: Draw, tmp_path: Path) -> None:
    first, second = bad(tmp_path, "x.jpg"), ImageFile(tmp_path / "gone.png")
    with pytest.raises(VisionLoraError) as caught:
        check([first, ImageFile(draw("good.png")), second, first], ImageCache(1, 32))
    assert str(caught.value) == (
        f"2 images cannot be used ({first.path}: a text file, not an image; "
        f"{second.path}: no such file); mend or remove them"
    )


def test_after_ten_the_bad_images_are_counted(tmp_path: Path) -> None:
    with pytest.raises(VisionLoraError) as caught:
        check([bad(tmp_path, f"{i}.jpg") for i in range(13)])
    assert str(caught.value).count(".jpg") == 10
    assert "13 images cannot be used" in str(caught.value)
    assert "; and 3 more)" in str(caught.value)


def test_several_sets_can_be_reported_as_one(tmp_path: Path) -> None:
    found = find_bad([bad(tmp_path, "train.jpg")], ImageCache(1, 8)) + find_bad([bad(tmp_path, "val.jpg")])
    with pytest.raises(VisionLoraError, match=r"2 images .*train\.jpg.*val\.jpg"):
        refuse(found)
    refuse([])


def test_a_defect_of_ours_is_not_taken_for_a_bad_image(draw: Draw, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(path: Path) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr(checking, "open_image", broken)
    with pytest.raises(RuntimeError, match="ours"):
        check([ImageFile(draw("a.png"))])
