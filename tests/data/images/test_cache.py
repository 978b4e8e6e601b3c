from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode, v2

from tests.conftest import Draw
from visionlora.data.images import cache as cache_module
from visionlora.data.images.cache import ImageCache, training_side
from visionlora.data.images.decode import BadImage


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every path that is decoded from here on."""
    seen: list[Path] = []
    original = cache_module.open_image

    def counting(path: Path, **options: int) -> Image.Image:
        seen.append(path)
        return original(path, **options)

    monkeypatch.setattr(cache_module, "open_image", counting)
    return seen


@pytest.mark.parametrize("size", [(64, 48), (48, 64), (65, 33)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_a_cached_image_is_what_torchvision_resizes_to(
    draw: Draw, size: tuple[int, int], interpolation: str
) -> None:
    path = draw("a.png", size=size)
    wanted = v2.Resize(24, InterpolationMode(interpolation))(Image.open(path))
    pixels = ImageCache(1, 24, interpolation).read(path)
    assert pixels.dtype == torch.uint8
    assert torch.equal(pixels, v2.functional.pil_to_tensor(wanted))


def test_a_small_image_is_never_enlarged(draw: Draw) -> None:
    assert ImageCache(1, 256).read(draw("a.png", size=(30, 20))).shape == (3, 20, 30)


def test_an_image_within_the_budget_is_decoded_once(draw: Draw, decoded: list[Path]) -> None:
    cache, path = ImageCache(1, 48), draw("a.png")
    assert torch.equal(cache.read(path), cache.read(path))
    assert decoded == [path]


def test_beyond_the_budget_images_are_decoded_on_demand(draw: Draw, decoded: list[Path]) -> None:
    one_image = 3 * 48 * 64
    paths = [draw(f"{i}.png") for i in range(3)]
    cache = ImageCache(2.5 * one_image / 2**20, 48)
    for path in paths * 2:
        assert cache.read(path).shape == (3, 48, 64)
    assert decoded == [*paths, paths[2]]
    assert cache.memory.used == 2 * one_image


def test_no_budget_keeps_nothing(draw: Draw, decoded: list[Path]) -> None:
    cache, path = ImageCache(0, 48), draw("a.png")
    cache.read(path), cache.read(path)
    assert len(decoded) == 2


def test_a_cache_goes_to_another_process_without_its_images(draw: Draw) -> None:
    cache, path = ImageCache(1, 48), draw("a.png")
    pixels = cache.read(path)
    copy = pickle.loads(pickle.dumps(cache))
    assert len(copy.memory) == 0
    assert torch.equal(copy.read(path), pixels)


def test_the_smallest_random_crop_still_has_the_networks_pixels() -> None:
    assert training_side(resize=256, crop=224, smallest_scale=0.5) == 317
    assert training_side(resize=256, crop=224, smallest_scale=1.0) == 256


def test_a_file_that_changes_after_it_was_read_is_refused(draw: Draw) -> None:
    path = draw("a.png", size=(40, 40))
    cache = ImageCache(0, 24)
    cache.read(path)
    cache.read(path)
    draw("a.png", size=(50, 40))
    with pytest.raises(BadImage, match="it has changed since it was first read"):
        cache.read(path)
    path.unlink()
    with pytest.raises(BadImage, match="no such file"):
        cache.read(path)
