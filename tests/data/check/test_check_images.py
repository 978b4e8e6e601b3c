from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Draw
from visionlora.data.check import check_images as checking
from visionlora.data.check.check_images import check, find_bad, refuse, split_bad, write_bad
from visionlora.data.images.cache import ImageCache
from visionlora.data.images.decode import BadImage, ImageFile
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
        f"{second.path}: no such file); repair or remove them"
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


def some(count: int, label: str = "a") -> list[ImageFile]:
    return [ImageFile(Path(f"{label}{number}.png"), label) for number in range(count)]


def test_bad_images_are_skipped_and_listed_while_they_are_few(tmp_path: Path) -> None:
    images = some(20)
    bad = BadImage(images[3].path, "damaged, =1+1")
    kept, left_out = split_bad(images, [bad, BadImage(Path("elsewhere.png"), "damaged")], "skip")
    assert (len(kept), left_out) == (19, (bad,))
    write_bad(left_out, tmp_path / "left_out.csv")
    assert (tmp_path / "left_out.csv").read_text() == 'path,reason\na3.png,"damaged, =1+1"\n'


def test_more_than_a_tenth_of_bad_images_stops(tmp_path: Path) -> None:
    images = some(20)
    with pytest.raises(
        VisionLoraError,
        match=r"3 images cannot be used: damaged \(a0.png; a1.png; a2.png\): 3 of 20, too many to go",
    ):
        split_bad(images, [BadImage(image.path, "damaged") for image in images[:3]], "skip")
    assert len(split_bad(images, [BadImage(image.path, "damaged") for image in images[:2]], "skip")[0]) == 18


def test_pointers_of_git_lfs_are_refused_with_the_command_that_fetches_the_images(tmp_path: Path) -> None:
    images = [ImageFile(tmp_path / f"{number}.jpg", "a") for number in range(3)]
    for image in images:
        image.path.write_bytes(b"version https://git-lfs.github.com/spec/v1\nsize 1\n")
    found = find_bad(images)
    said = r"3 images cannot be used: a Git LFS pointer, not an image \(.*\); run git lfs pull, which fetches"
    with pytest.raises(VisionLoraError, match=said):
        refuse(found)
    assert str(found[0]).endswith(
        "a Git LFS pointer, not an image; run git lfs pull, which fetches the images"
    )


def test_a_class_whose_images_are_all_bad_stops() -> None:
    images = [*some(40), *some(1, "b")]
    with pytest.raises(VisionLoraError, match="all images of class 'b'; repair or remove it"):
        split_bad(images, [BadImage(images[-1].path, "damaged")], "skip")


def test_whoever_wants_to_stop_is_stopped_by_one_bad_image() -> None:
    images = some(40)
    with pytest.raises(VisionLoraError, match="1 image cannot be used"):
        split_bad(images, [BadImage(images[0].path, "damaged")], "stop")
    assert split_bad(images, [], "stop") == (tuple(images), ())


def test_an_unknown_mode_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(VisionLoraError, match=r"data\.on_bad is 'ignore'; set it to skip or stop"):
        split_bad(some(1), [], "ignore")


def test_sets_without_images_need_no_care() -> None:
    assert split_bad([], [BadImage(Path("x.png"), "damaged")], "skip") == ((), ())
