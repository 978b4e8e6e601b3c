"""Generated images that the network makes more like its own classes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from visionlora.adapters import LoraConfig, attach
from visionlora.data.augment import mixed
from visionlora.data.preprocessing import Preprocessing
from visionlora.retention.generated import generate_images
from visionlora.retention.inversion import Classifier, cached_inversion, invert, seen_size

SIZES = Preprocessing(40, 32, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), "bilinear")


@pytest.fixture
def classifier() -> Classifier:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(3, 8, 5, 2), nn.ReLU(), nn.Conv2d(8, 16, 3, 2), nn.AdaptiveAvgPool2d(1))
    network = attach(nn.Sequential(layers, nn.Flatten(), nn.Linear(16, 6)).eval(), LoraConfig(rank=2))
    return Classifier(network, SIZES, 6, "a")


@pytest.fixture
def images() -> tuple[Tensor, ...]:
    return generate_images(20, 40, seed=1)


def test_every_image_becomes_more_like_its_class(classifier: Classifier, images: tuple[Tensor, ...]) -> None:
    inverted = invert(classifier, images)
    assert len(inverted) == 20
    assert all(image.dtype == torch.uint8 and image.shape == (3, 40, 40) for image in inverted)
    crops = [(torch.stack(list(some))[:, :, 4:36, 4:36] / 255 - 0.5) / 0.25 for some in (images, inverted)]
    generator = torch.Generator().manual_seed(mixed("dreams", 0))
    classes = torch.cat([torch.randperm(6, generator=generator) for _ in range(4)])[:20]
    with torch.no_grad():
        before, after = (F.cross_entropy(classifier.network(some), classes) for some in crops)
    assert after < before - 0.1


def test_inversion_repeats_exactly_and_leaves_the_adapters_alone(
    classifier: Classifier, images: tuple[Tensor, ...]
) -> None:
    network = classifier.network
    state = {name: value.clone() for name, value in network.state_dict().items()}
    one, other = (invert(classifier, images[:4]) for _ in range(2))
    assert all(map(torch.equal, one, other))
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_trained_adapters_have_no_influence(classifier: Classifier, images: tuple[Tensor, ...]) -> None:
    frozen = invert(classifier, images[:2])
    with torch.no_grad():
        for name, parameter in classifier.network.named_parameters():
            if name.endswith("lora_B"):
                parameter.normal_()
    assert all(map(torch.equal, frozen, invert(classifier, images[:2])))


def test_the_network_sees_images_at_half_size_if_it_takes_them(classifier: Classifier) -> None:
    assert seen_size(classifier) == 16
    fixed = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 6))
    assert seen_size(replace(classifier, network=fixed)) == 32


def test_a_network_of_fixed_input_size_is_inverted_too(
    classifier: Classifier, images: tuple[Tensor, ...]
) -> None:
    fixed = attach(nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 6)), LoraConfig(rank=2))
    inverted = invert(replace(classifier, network=fixed), images[:2])
    assert not any(map(torch.equal, inverted, images))


def test_images_beyond_the_time_limit_stay_unchanged(
    classifier: Classifier, images: tuple[Tensor, ...]
) -> None:
    assert all(map(torch.equal, invert(classifier, images, seconds=0), images))


def test_inverted_images_are_cached_for_the_next_run_of_the_same_network(
    classifier: Classifier, images: tuple[Tensor, ...], tmp_path: Path
) -> None:
    inverted, changed, cached = cached_inversion(classifier, images[:3], 60.0, tmp_path)
    assert (changed, cached) == (3, False)
    read, changed, cached = cached_inversion(classifier, images[:3], 60.0, tmp_path)
    assert (changed, cached) == (3, True)
    assert all(map(torch.equal, inverted, read))
    assert not cached_inversion(replace(classifier, fingerprint="b"), images[:3], 60.0, tmp_path)[2]
    assert not cached_inversion(classifier, images[3:6], 60.0, tmp_path)[2]


def test_a_truncated_cache_file_is_replaced(
    classifier: Classifier, images: tuple[Tensor, ...], tmp_path: Path
) -> None:
    cached_inversion(classifier, images[:2], 60.0, tmp_path)
    (path,) = tmp_path.glob("inverted-*.safetensors")
    path.write_bytes(path.read_bytes()[:100])
    inverted, _, cached = cached_inversion(classifier, images[:2], 60.0, tmp_path)
    assert not cached
    assert all(map(torch.equal, inverted, invert(classifier, images[:2])))


def test_nothing_is_cached_without_a_directory(classifier: Classifier, images: tuple[Tensor, ...]) -> None:
    assert not cached_inversion(classifier, images[:2], 60.0, None)[2]


def test_a_run_that_continues_has_as_many_optimised_images_as_before(
    classifier: Classifier, images: tuple[Tensor, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("visionlora.retention.inversion.BATCH", 2)
    first, *_ = cached_inversion(classifier, images[:4], 60.0, None, count=2)
    assert [torch.equal(one, other) for one, other in zip(first, images, strict=False)] == [
        False, False, True, True,
    ]  # fmt: skip
    cached_inversion(classifier, images[:4], 60.0, tmp_path)  # another run had the time for all
    again, changed, cached = cached_inversion(classifier, images[:4], 0.0, tmp_path, count=2)
    assert (changed, cached) == (2, False)
    assert all(map(torch.equal, first, again))
