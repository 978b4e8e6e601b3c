from __future__ import annotations

from pathlib import Path

import pytest

from visionlora.data import checking
from visionlora.data.cache import PictureCache
from visionlora.data.checking import check, find_bad, refuse
from visionlora.data.pictures import Picture
from visionlora.errors import VisionLoraError

from .conftest import Draw


def bad(tmp_path: Path, name: str) -> Picture:
    path = tmp_path / name
    path.write_text("not a picture")
    return Picture(path, "a")


def test_good_pictures_pass_and_are_in_the_cache_afterwards(
    draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [Picture(draw(f"{i}.png"), "a") for i in range(5)]
    cache = PictureCache(1, 32)
    check(pictures, cache)
    assert len(cache.memory) == 5
    monkeypatch.setattr(PictureCache, "decode", None)
    for picture in pictures:
        cache.read(picture.path)
    check(pictures, cache)


def test_without_a_cache_pictures_are_opened_all_the_same(draw: Draw, tmp_path: Path) -> None:
    check([Picture(draw("a.png"))])
    with pytest.raises(VisionLoraError, match="1 picture cannot be used"):
        check([Picture(draw("a.png")), bad(tmp_path, "b.png")])


def test_all_bad_pictures_are_reported_together_each_once(draw: Draw, tmp_path: Path) -> None:
    first, second = bad(tmp_path, "x.jpg"), Picture(tmp_path / "gone.png")
    with pytest.raises(VisionLoraError) as caught:
        check([first, Picture(draw("good.png")), second, first], PictureCache(1, 32))
    assert str(caught.value) == (
        f"2 pictures cannot be used ({first.path}: not a picture, or a damaged one; "
        f"{second.path}: no such file); mend or remove them"
    )


def test_after_ten_the_bad_pictures_are_counted(tmp_path: Path) -> None:
    with pytest.raises(VisionLoraError) as caught:
        check([bad(tmp_path, f"{i}.jpg") for i in range(13)])
    assert str(caught.value).count(".jpg") == 10
    assert "13 pictures cannot be used" in str(caught.value)
    assert "; and 3 more)" in str(caught.value)


def test_several_sets_can_be_reported_as_one(tmp_path: Path) -> None:
    found = find_bad([bad(tmp_path, "train.jpg")], PictureCache(1, 8)) + find_bad([bad(tmp_path, "val.jpg")])
    with pytest.raises(VisionLoraError, match=r"2 pictures .*train\.jpg.*val\.jpg"):
        refuse(found)
    refuse([])


def test_a_defect_of_ours_is_not_taken_for_a_bad_picture(draw: Draw, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(path: Path) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr(checking, "open_picture", broken)
    with pytest.raises(RuntimeError, match="ours"):
        check([Picture(draw("a.png"))])
