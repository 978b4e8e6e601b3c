"""Generated images that the network makes more like its own classes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from visionlora.adapters import LoraConfig, attach
from visionlora.data.files.seeds import mixed
from visionlora.data.images.preprocessing import Preprocessing
from visionlora.retention import inversion
from visionlora.retention.config import RetentionConfig
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


def test_images_beyond_the_number_stay_unchanged(
    classifier: Classifier, images: tuple[Tensor, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("visionlora.retention.inversion.BATCH", 2)
    inverted = invert(classifier, images[:5], most=3)
    assert [torch.equal(*pair) for pair in zip(inverted, images, strict=False)] == [False] * 3 + [True] * 2


def test_it_tells_how_many_images_are_done(classifier: Classifier, images: tuple[Tensor, ...]) -> None:
    told: list[tuple[int, int | None]] = []
    invert(classifier, images[:5], most=3, advance=lambda done, total: told.append((done, total)))
    assert told == sorted(told) and len(told) == inversion.STEPS
    assert {total for _, total in told} == {3} and told[-1][0] == 2


@pytest.mark.parametrize(
    ("inverted", "multiplications", "count"),
    [
        ("auto", 350_000_000, 256),  # SqueezeNet
        ("auto", 1_820_000_000, 256),  # ResNet-18
        ("auto", 19_600_000_000, 32),  # VGG19
        (10, 19_600_000_000, 10),
        (1000, 1, 256),
        (0, 1, 0),
    ],
)
def test_how_many_are_optimised_depends_on_the_network_alone(
    inverted: int | str, multiplications: int, count: int
) -> None:
    assert RetentionConfig(inverted=inverted).inverted_for(multiplications) == count


def test_an_inversion_that_was_interrupted_leaves_nothing_in_the_cache(
    classifier: Classifier, images: tuple[Tensor, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole, _ = cached_inversion(classifier, images[:4], 4, None)
    monkeypatch.setattr("visionlora.retention.inversion.BATCH", 2)
    calls = iter((False, True))
    invert_batch = inversion._invert_batch

    def interrupted(*arguments: Any) -> list[Tensor]:
        if next(calls):
            raise KeyboardInterrupt
        return invert_batch(*arguments)

    with monkeypatch.context() as during:
        during.setattr(inversion, "_invert_batch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            cached_inversion(classifier, images[:4], 4, tmp_path)
    assert not list(tmp_path.iterdir())
    monkeypatch.undo()
    again, cached = cached_inversion(classifier, images[:4], 4, tmp_path)
    assert not cached
    assert all(map(torch.equal, whole, again))


def test_inverted_images_are_cached_for_the_next_run_of_the_same_network(
    classifier: Classifier, images: tuple[Tensor, ...], tmp_path: Path
) -> None:
    inverted, cached = cached_inversion(classifier, images[:3], 3, tmp_path)
    assert not cached
    read, cached = cached_inversion(classifier, images[:3], 3, tmp_path)
    assert cached
    assert all(map(torch.equal, inverted, read))
    assert not cached_inversion(replace(classifier, fingerprint="b"), images[:3], 3, tmp_path)[1]
    assert not cached_inversion(classifier, images[3:6], 3, tmp_path)[1]
    assert not cached_inversion(classifier, images[:3], 2, tmp_path)[1]


def test_a_truncated_cache_file_is_replaced(
    classifier: Classifier, images: tuple[Tensor, ...], tmp_path: Path
) -> None:
    cached_inversion(classifier, images[:2], 2, tmp_path)
    (path,) = tmp_path.glob("inverted-*.safetensors")
    path.write_bytes(path.read_bytes()[:100])
    inverted, cached = cached_inversion(classifier, images[:2], 2, tmp_path)
    assert not cached
    assert all(map(torch.equal, inverted, invert(classifier, images[:2])))


def test_nothing_is_cached_without_a_directory(classifier: Classifier, images: tuple[Tensor, ...]) -> None:
    assert not cached_inversion(classifier, images[:2], 2, None)[1]
