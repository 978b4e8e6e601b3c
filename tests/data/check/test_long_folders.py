"""Folders of very many images, on shares that fail now and then."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Draw
from visionlora.data import BadImage, ImageCache, ImageFile, scan_images
from visionlora.data.check.check_images import find_bad
from visionlora.data.files.share import WAITS_S, retried
from visionlora.data.files.walk import watched
from visionlora.data.images.decode import open_image
from visionlora.data.index.readable import readable


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """The images that :func:`find_bad` decodes; from three on it remembers them, in a cache of the test's."""
    seen: list[Path] = []

    def count(path: Path) -> Image.Image:
        seen.append(path)
        return open_image(path)

    monkeypatch.setattr("visionlora.data.check.check_images.open_image", count)
    monkeypatch.setattr("visionlora.data.check.check_images.LONG", 3)
    monkeypatch.setenv("VISIONLORA_CACHE", str(tmp_path / "cache"))
    return seen


def test_the_second_run_decodes_only_what_has_changed(draw: Draw, decoded: list[Path]) -> None:
    images = [ImageFile(draw(f"{number}.png")) for number in range(4)]
    images[3].path.write_bytes(b"no image")
    assert [bad.path for bad in find_bad(images)] == [images[3].path]
    assert len(decoded) == 4
    decoded.clear()
    assert [bad.path for bad in find_bad(images)] == [images[3].path], "a bad image is not remembered as good"
    assert decoded == [images[3].path]
    decoded.clear()
    draw("1.png", size=(30, 40))
    find_bad(images)
    assert decoded == [images[1].path, images[3].path]


def test_a_damaged_index_costs_time_and_nothing_else(draw: Draw, decoded: list[Path], tmp_path: Path) -> None:
    images = [ImageFile(draw(f"{number}.png")) for number in range(3)]
    find_bad(images)
    (index,) = (tmp_path / "cache").glob("readable-*.sqlite")
    index.write_bytes(b"damaged" * 1000)
    decoded.clear()
    assert find_bad(images) == []
    assert len(decoded) == 3
    with readable(tmp_path / "cache") as again:
        assert again.unknown([image.path for image in images]) == []


def test_images_are_decoded_into_the_cache_while_it_has_room(draw: Draw, decoded: list[Path]) -> None:
    images = [ImageFile(draw(f"{number}.png")) for number in range(4)]
    find_bad(images)
    cache = ImageCache(1, 64)
    find_bad(images, cache)
    assert len(cache.memory) == 4


def test_reading_is_shown_as_it_goes(draw: Draw) -> None:
    folder = draw("many/0.png").parent
    for number in range(1, 7):
        os.link(folder / "0.png", folder / f"{number}.png")
    told: list[int] = []
    with watched(lambda done, total: told.append(done)):
        images = scan_images([folder])
    assert told == [1, 2, 3, 4, 5, 6, 7]
    shown: list[tuple[int, int]] = []
    find_bad(images, progress=lambda done, total: shown.append((done, total)))
    assert shown == [(7, 7)]


def test_a_share_that_fails_now_and_then_is_tried_again_and_that_is_announced(
    draw: Draw, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path, opened = draw("picture.png"), Path.open
    waits: list[float] = []
    failures = [errno.EIO, errno.ESTALE]

    def unsteady(self: Path, *arguments: object, **options: object) -> object:
        if self == path and failures:
            raise OSError(failures.pop(), "Input/output error")
        return opened(self, *arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", unsteady)
    monkeypatch.setattr("visionlora.data.files.share.time.sleep", waits.append)
    monkeypatch.setattr("visionlora.data.files.share.retried.__defaults__", (waits.append,))
    with caplog.at_level(logging.WARNING):
        assert open_image(path).size == (64, 48)
    assert waits == list(WAITS_S[:2])
    assert "picture.png: input/output error; attempt 2 of 4 follows in 0.5 s" in caplog.text


def test_an_error_that_stays_is_an_error_after_four_attempts(tmp_path: Path) -> None:
    attempts: list[int] = []

    def fail() -> None:
        attempts.append(1)
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        retried(tmp_path, fail, lambda seconds: None)
    assert len(attempts) == 4
    attempts.clear()
    with pytest.raises(BadImage, match="no such file"):
        open_image(tmp_path / "nothing.png")


def test_a_folder_on_such_a_share_is_listed_completely(draw: Draw, monkeypatch: pytest.MonkeyPatch) -> None:
    root = draw("all/a/0.png").parents[1]
    draw("all/b/0.png")
    scandir, failures = os.scandir, [errno.ETIMEDOUT]

    def unsteady(folder: str) -> object:
        if str(folder).endswith("b") and failures:
            raise OSError(failures.pop(), "Connection timed out", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", unsteady)
    assert [image.path.parent.name for image in scan_images([root])] == ["a", "b"]
    assert not failures
