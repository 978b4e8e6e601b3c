"""Equal and similar images."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from visionlora.data.copies import duplicates
from visionlora.data.copies.duplicates import Comparison, exact_groups
from visionlora.data.images.fingerprint import Fingerprint, fingerprints_of, sample
from visionlora.data.index import fingerprints as index
from visionlora.data.index import store
from visionlora.data.index.fingerprints import fingerprints
from visionlora.paths import shipped

PHOTO = shipped("data/pocket_photos/anchor/starfish/00.webp")
OTHERS = sorted(shipped("data/pocket_photos/anchor").glob("*/0[0-4].webp"))


def seen(*paths: Path) -> list[Fingerprint]:
    return fingerprints_of([sample(path) for path in paths])


def changed(kind: str, path: Path) -> Path:
    with Image.open(PHOTO) as opened:
        image = opened.convert("RGB")
    options: dict[str, object] = {"quality": 90}
    if kind == "smaller":
        image = image.resize((100, 100))
    elif kind == "larger":
        image = image.resize((700, 700))
    elif kind == "another quality":
        options = {"quality": 35}
    elif kind == "brighter":
        image = ImageEnhance.Brightness(image).enhance(1.08)
    elif kind == "much darker":
        image = ImageEnhance.Brightness(image).enhance(0.55)
    elif kind == "mirrored":
        image = ImageOps.mirror(image)
    elif kind == "turned":
        image = image.transpose(Image.Transpose.ROTATE_90)
    elif kind == "mirrored and turned":
        image = image.transpose(Image.Transpose.TRANSVERSE)
    elif kind == "cropped":
        image = image.crop((2, 2, 158, 158))
    suffix = "png" if kind == "another format" else "jpg"
    target = path / f"x.{suffix}"
    image.save(target, **({} if suffix == "png" else options))
    return target


@pytest.mark.parametrize(
    "kind",
    [
        "smaller",
        "larger",
        "another quality",
        "another format",
        "brighter",
        "much darker",
        "mirrored",
        "turned",
        "mirrored and turned",
        "cropped",
    ],
)
def test_a_changed_copy_is_similar_and_not_equal(kind: str, tmp_path: Path) -> None:
    found = seen(PHOTO, changed(kind, tmp_path), *OTHERS)
    assert exact_groups(found) == [[0, 2 + OTHERS.index(PHOTO)]]
    assert Comparison()(found) == [[0, 1]]


def test_different_images_are_neither_equal_nor_similar() -> None:
    found = seen(*OTHERS)
    assert exact_groups(found) == Comparison()(found) == []


def test_images_that_differ_in_colour_alone_are_not_similar(tmp_path: Path) -> None:
    lamp = Image.new("RGB", (64, 64), "black")
    for name, colour in (("red", (250, 0, 0)), ("green", (0, 250, 0))):
        lamp.paste(colour, (8, 16, 40, 40))
        lamp.save(tmp_path / f"{name}.png")
    assert Comparison()(seen(tmp_path / "green.png", tmp_path / "red.png")) == []


def test_of_many_images_the_mirrored_ones_are_not_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = seen(PHOTO, changed("mirrored", tmp_path))
    monkeypatch.setattr(duplicates, "MOST_TURNED", 1)
    assert Comparison()(found) == []


def test_images_of_one_colour_and_unreadable_ones_are_no_similar_images(tmp_path: Path) -> None:
    for place, colour in enumerate(("white", "white", "#fefefe", "black")):
        Image.new("RGB", (64 + place, 64), colour).save(tmp_path / f"{place}.png")
    (tmp_path / "4.png").write_text("no image")
    found = seen(*sorted(tmp_path.iterdir()))
    assert Comparison()(found) == []
    assert [one.flat for one in found] == [True] * 4 + [False]
    assert found[4].error == "a text file, not an image"


def test_the_search_finds_what_comparing_every_pair_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "MOST_BORDERED", 0)  # the hashes are not those of the thumbnails
    random = np.random.default_rng(0)
    hashes = [int(value) for value in random.integers(0, 2**63, 1500)]
    hashes += [hashes[place] ^ (1 << place % 64) for place in range(0, 1500, 7)]
    thumbnail = bytes(range(256)) + bytes(48)
    found = [Fingerprint(str(place).encode(), bits, thumbnail, 64, 64) for place, bits in enumerate(hashes)]
    groups = Comparison()(found)
    pairs = {(place, 1500 + count) for count, place in enumerate(range(0, 1500, 7))}
    assert {tuple(group) for group in groups} == pairs


def test_numpy_without_a_count_of_bits_gives_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = seen(PHOTO, changed("smaller", tmp_path), *OTHERS[:5])
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    assert Comparison()(found) == [[0, 1]]


def test_twenty_thousand_hashes_are_searched_in_seconds() -> None:
    random = np.random.default_rng(0)
    found = [
        Fingerprint(str(place).encode(), int(bits), random.bytes(304), 64, 64)
        for place, bits in enumerate(random.integers(0, 2**63, 20_000))
    ]
    started = time.process_time()
    assert Comparison()(found) == []
    assert time.process_time() - started < 20


def test_images_are_compared_once_in_whatever_order_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    thumbnail = bytes(range(256)) + bytes(48)
    alike = [Fingerprint(name, 0, thumbnail, 64, 64) for name in (b"a", b"b", b"a")]
    other = Fingerprint(b"c", 2**64 - 1, thumbnail, 64, 64)
    comparison = Comparison()
    assert comparison([other, *alike]) == Comparison()([other, *alike]) == [[1, 2]]
    again = [alike[1], other, alike[2], alike[0]]
    expected = Comparison()(again)
    with monkeypatch.context() as patch:
        patch.setattr("visionlora.data.copies.duplicates._joined", None)
        assert comparison(again) == expected == [[0, 2]]
    assert comparison([other, alike[0]]) == []
    assert comparison([]) == []


def test_a_film_of_which_all_frames_are_similar_is_one_group_in_seconds() -> None:
    thumbnail = bytes(range(256)) + bytes(48)
    hashes = [(1 << min(place // 10, 60)) - 1 for place in range(5000)]
    film = [Fingerprint(str(place).encode(), bits, thumbnail, 64, 64) for place, bits in enumerate(hashes)]
    started = time.process_time()
    assert Comparison()(film) == [list(range(5000))]
    assert time.process_time() - started < 10


def test_a_second_look_reads_no_file_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, int]] = []
    first = fingerprints(OTHERS, tmp_path, lambda done, total: calls.append((done, total)))
    assert (calls[0], calls[-1]) == ((0, len(OTHERS)), (len(OTHERS), len(OTHERS)))
    monkeypatch.setattr(index, "fingerprinted", None)
    assert fingerprints(OTHERS, tmp_path) == first


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (40, 40), "red").save(path)
    before = fingerprints([path], tmp_path / "cache")[path]
    Image.new("RGB", (50, 40), "red").save(path)
    assert fingerprints([path], tmp_path / "cache")[path].width == 50 != before.width


def test_a_file_of_the_same_size_and_date_is_read_again(tmp_path: Path) -> None:
    """Archives that give all files one date hold uncompressed images of one size."""
    path = tmp_path / "a.bmp"
    seen = []
    for colour in ("red", "blue"):
        Image.new("RGB", (40, 40), colour).save(path)
        os.utime(path, (0, 0))
        seen.append(fingerprints([path], tmp_path / "cache")[path])
    assert seen[0].digest != seen[1].digest


@pytest.mark.parametrize("seconds", [-(10**9), 0, 4 * 10**9, 10**10])
def test_a_file_of_any_date_is_kept(seconds: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (40, 40), "red").save(path)
    os.utime(path, (seconds, seconds))
    first = fingerprints([path], tmp_path / "cache")
    monkeypatch.setattr(index, "fingerprinted", None)
    assert fingerprints([path], tmp_path / "cache") == first


@pytest.mark.parametrize("fault", ["damaged", "a file where the folder should be", "locked", "read-only"])
def test_a_cache_that_cannot_be_used_is_done_without(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "WAIT_S", 0.1)
    cache = tmp_path / "cache"
    first = fingerprints(OTHERS[:3], cache)
    (kept,) = cache.glob("*.sqlite")
    other = None
    if fault == "damaged":
        kept.write_bytes(b"no database" * 100)
    elif fault == "locked":
        other = sqlite3.connect(kept)
        other.execute("BEGIN EXCLUSIVE")
    elif fault == "read-only":
        kept.chmod(0o400)
    else:
        cache = kept
    assert fingerprints(OTHERS[:3], cache) == first
    if other:
        other.close()


def test_names_that_are_not_utf8_are_kept_in_the_cache(tmp_path: Path) -> None:
    path = tmp_path / "K\udce4fer.png"
    Image.new("RGB", (40, 40), "red").save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(path)
    assert fingerprints([path], tmp_path / "cache") == fingerprints([path], tmp_path / "cache")
