from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from visionlora.adapters import LoraConfig, attach
from visionlora.frozen.features import FeatureCache, network_inputs
from visionlora.frozen.split import Split, split


@pytest.fixture
def parts(network: nn.Module) -> Split:
    """The tiny network with an adapter on its last layer."""
    attach(network, LoraConfig(rank=2, targets=["last:1"]))
    found = split(network.to(memory_format=torch.channels_last))
    assert found is not None
    return found


def cache_of(parts: Split, folder: Path, memory_mb: float = 1, most: int = 20) -> FeatureCache:
    return FeatureCache(parts, nullcontext, torch.device("cpu"), memory_mb, folder, most)


def random_images(count: int) -> Tensor:
    return torch.randn(count, 3, 24, 24, generator=torch.Generator().manual_seed(3))


def chosen_from(images: Tensor, asked: list[list[int]]) -> Callable[[list[int]], Tensor]:
    def make(places: list[int]) -> Tensor:
        asked.append(places)
        return images[places]

    return make


def test_each_key_is_computed_once(parts: Split, tmp_path: Path) -> None:
    images, asked = random_images(4), list[list[int]]()
    cache = cache_of(parts, tmp_path)
    first = cache.get([0, 1, 2, 3], chosen_from(images, asked))
    again = cache.get([0, 1, 2, 3], chosen_from(images, asked))
    assert asked == [[0, 1, 2, 3]] and cache.computed == 4
    for one, two, direct in zip(first, again, parts.prefix(images), strict=True):
        assert torch.equal(one, two)
        torch.testing.assert_close(one, direct)


def test_only_what_is_missing_is_made(parts: Split, tmp_path: Path) -> None:
    images, asked = random_images(4), list[list[int]]()
    cache = cache_of(parts, tmp_path)
    cache.get([0, 1], chosen_from(images[:2], asked))
    cache.get([1, 2, 0, 3, 2], chosen_from(images[[1, 2, 0, 3, 2]], asked))
    assert asked == [[0, 1], [1, 3]]


def test_another_version_of_a_key_takes_its_place(parts: Split, tmp_path: Path) -> None:
    images, asked = random_images(2), list[list[int]]()
    cache = cache_of(parts, tmp_path, most=1)
    old = cache.get([0], chosen_from(images[:1], asked), versions=[0])
    new = cache.get([0], chosen_from(images[1:], asked), versions=[8])
    assert len(asked) == 2
    assert not torch.equal(old[0], new[0])
    torch.testing.assert_close(new[0], parts.prefix(images)[0][1:])


@pytest.mark.parametrize("stored", [None, 0, 4])
def test_two_versions_of_a_key_in_one_call_are_each_served(
    parts: Split, tmp_path: Path, stored: int | None
) -> None:
    images = random_images(3)
    cache = cache_of(parts, tmp_path, most=2)
    if stored is not None:
        cache.get([7], chosen_from(images[:1], []), versions=[stored])
    found = cache.get([7, 8, 7], chosen_from(images, []), versions=[0, 0, 4])
    for value, direct in zip(found, cache.compute(images), strict=True):
        expected = direct.clone()
        if stored == 4:  # what was kept under the second version is the first image
            expected[2] = direct[0]
        assert torch.equal(value, expected)


@pytest.mark.parametrize("memory_mb", [0, 0.0002, 1])
def test_what_memory_has_no_room_for_comes_back_from_a_file_with_the_same_bytes(
    parts: Split, tmp_path: Path, memory_mb: float
) -> None:
    images = random_images(6)
    cache = cache_of(parts, tmp_path, memory_mb)
    cache.get(range(6), chosen_from(images, []))
    back = cache.get([5, 0, 3], chosen_from(images, []))
    for value, direct in zip(back, cache.compute(images), strict=True):
        assert torch.equal(value, direct[[5, 0, 3]])
    assert not list(tmp_path.iterdir())


def test_an_images_value_does_not_depend_on_its_company(parts: Split, tmp_path: Path) -> None:
    images = random_images(11)
    cache = cache_of(parts, tmp_path)
    together = cache.compute(images)
    alone = [cache.compute(images[place : place + 1]) for place in range(11)]
    for number, values in enumerate(together):
        assert torch.equal(values, torch.cat([one[number] for one in alone]))


def test_values_keep_the_memory_format_that_the_layers_want(network: nn.Module, tmp_path: Path) -> None:
    attach(network, LoraConfig(rank=2, targets=["last:2"]))
    network.to(memory_format=torch.channels_last)
    parts = split(network)
    assert parts is not None
    images = random_images(3).contiguous(memory_format=torch.channels_last)
    (value,) = cache_of(parts, tmp_path).get([0, 1, 2], chosen_from(images, []))
    assert value.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("batch", "expected"),
    [(["images"], ["images"]), (["features1", "images", "features0"], ["features0", "features1"])],
)
def test_features_are_what_is_computed_with_where_there_are_any(
    batch: Sequence[str], expected: list[str]
) -> None:
    values = {name: torch.zeros(1) for name in batch}
    assert [id(value) for value in network_inputs(values)] == [id(values[name]) for name in expected]


def test_a_disk_without_room_is_an_error_before_a_value_is_kept(parts: Split, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="the system has no limits for a process")
    cache = cache_of(parts, tmp_path, memory_mb=0, most=10_000)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, limit[1]))
    try:
        with pytest.raises(OSError, match=str(tmp_path)):
            cache.get([0], lambda places: random_images(1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert list(tmp_path.iterdir()) == []
