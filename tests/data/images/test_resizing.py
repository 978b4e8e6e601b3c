"""What a network will see of an image is cut out while the image is read for its fingerprint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from visionlora.data.images.augment import evaluation_transform
from visionlora.data.images.cache import ImageCache
from visionlora.data.images.fingerprint import fingerprinted, sample
from visionlora.data.images.preprocessing import Preprocessing
from visionlora.data.index.fingerprints import Views, fingerprints

HALF = (0.5, 0.5, 0.5)
NETWORK = Preprocessing(resize=144, crop=128, mean=HALF, std=HALF, interpolation="bilinear")
BICUBIC = Preprocessing(resize=60, crop=57, mean=HALF, std=HALF, interpolation="bicubic")


def photo(path: Path, size: tuple[int, int], orientation: int = 1) -> Path:
    spots = np.random.default_rng(sum(size)).integers(0, 256, (9, 9, 3), np.uint8)
    image = Image.fromarray(spots).resize(size, Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(path, exif=exif)
    return path


@pytest.mark.parametrize("network", [NETWORK, BICUBIC], ids=lambda one: one.interpolation)
@pytest.mark.parametrize(
    ("name", "size", "orientation"),
    [
        ("a.jpg", (1200, 901), 1),
        ("a.jpg", (333, 700), 6),
        ("a.png", (145, 244), 1),
        ("a.webp", (144, 150), 3),
    ],
)
def test_a_view_is_what_the_network_would_be_given(
    network: Preprocessing, name: str, size: tuple[int, int], orientation: int, tmp_path: Path
) -> None:
    path = photo(tmp_path / name, size, orientation)
    cache = ImageCache(0, network.resize, network.interpolation)
    wanted = evaluation_transform(network)(cache.decode(path))
    view = sample(path, network).view
    assert view is not None
    assert torch.equal(torch.tensor(view).permute(2, 0, 1), wanted)


def test_of_an_image_that_would_be_enlarged_there_is_no_view(tmp_path: Path) -> None:
    assert sample(photo(tmp_path / "a.png", (143, 300)), NETWORK).view is None


@pytest.mark.parametrize("size", [(1600, 1200), (300, 320), (700, 180), (64, 64)])
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_fingerprint_is_the_same_whether_a_network_looks_on_or_not(
    size: tuple[int, int], suffix: str, tmp_path: Path
) -> None:
    path = photo(tmp_path / f"a.{suffix}", size)
    [(_, alone, _)], [(_, watched, _)] = fingerprinted([path]), fingerprinted([path], NETWORK)
    one, other = (np.frombuffer(seen.thumbnail, np.uint8).astype(int) for seen in (alone, watched))
    assert np.abs(one - other).max() <= 2
    assert (alone.hash ^ watched.hash).bit_count() <= 2
    assert (alone.digest, alone.width, alone.height) == (watched.digest, watched.width, watched.height)


def test_views_are_taken_of_what_is_read_and_given_where_nothing_changed_since(tmp_path: Path) -> None:
    paths = [photo(tmp_path / f"{side}.jpg", (side, side)) for side in (40, 200, 300)]
    views = Views(NETWORK)
    fingerprints(paths, tmp_path / "cache", views=views)
    assert {path: view.shape for path, view in views.of(paths).items()} == dict.fromkeys(
        paths[1:], (128, 128, 3)
    )
    photo(paths[1], (210, 210))
    assert list(views.of(paths)) == [paths[2]]
    again = Views(NETWORK)
    fingerprints(paths[2:], tmp_path / "cache", views=again)
    assert not again.found, "it was not read: the index knows it"
