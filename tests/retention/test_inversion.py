"""Generated images that the network makes more like what it knows."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from visionlora.adapters import LoraConfig, attach
from visionlora.data.augment import mixed
from visionlora.data.preprocessing import Preprocessing
from visionlora.retention.generated import generate_anchors
from visionlora.retention.inversion import dream, dreamed_once

SIZES = Preprocessing(40, 32, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), "bilinear")


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(3, 8, 5, 2), nn.ReLU(), nn.Conv2d(8, 16, 3, 2), nn.AdaptiveAvgPool2d(1))
    return attach(nn.Sequential(layers, nn.Flatten(), nn.Linear(16, 6)).eval(), LoraConfig(rank=2))


@pytest.fixture
def images() -> tuple[Tensor, ...]:
    return generate_anchors(20, 40, seed=1)


def test_every_image_becomes_more_like_its_class(network: nn.Module, images: tuple[Tensor, ...]) -> None:
    made = dream(network, images, SIZES, 6)
    assert len(made) == 20
    assert all(one.dtype == torch.uint8 and one.shape == (3, 40, 40) for one in made)
    crops = [(torch.stack(list(some))[:, :, 4:36, 4:36] / 255 - 0.5) / 0.25 for some in (images, made)]
    generator = torch.Generator().manual_seed(mixed("dreams", 0))
    wanted = torch.cat([torch.randperm(6, generator=generator) for _ in range(4)])[:20]
    with torch.no_grad():
        before, after = (F.cross_entropy(network(some), wanted) for some in crops)
    assert after < before - 0.1


def test_dreams_are_the_same_every_time_and_leave_the_adapters_alone(
    network: nn.Module, images: tuple[Tensor, ...]
) -> None:
    state = {name: value.clone() for name, value in network.state_dict().items()}
    one, other = (dream(network, images[:4], SIZES, 6) for _ in range(2))
    assert all(map(torch.equal, one, other))
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_the_trained_adapters_have_no_say(network: nn.Module, images: tuple[Tensor, ...]) -> None:
    frozen = dream(network, images[:2], SIZES, 6)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("lora_B"):
                parameter.normal_()
    assert all(map(torch.equal, frozen, dream(network, images[:2], SIZES, 6)))


def test_images_that_there_is_no_time_for_stay_as_they_are(
    network: nn.Module, images: tuple[Tensor, ...]
) -> None:
    assert all(map(torch.equal, dream(network, images, SIZES, 6, seconds=0), images))


def test_dreams_are_kept_for_the_next_run_of_the_same_network(
    network: nn.Module, images: tuple[Tensor, ...], tmp_path: Path
) -> None:
    def again(fingerprint: str, images: tuple[Tensor, ...]) -> tuple[list[Tensor], int, bool]:
        return dreamed_once(network, images, SIZES, 6, tmp_path, fingerprint, 60.0)

    made, dreamed, kept = again("a", images[:3])
    assert (dreamed, kept) == (3, False)
    read, dreamed, kept = again("a", images[:3])
    assert (dreamed, kept) == (3, True)
    assert all(map(torch.equal, made, read))
    assert not again("another network", images[:3])[2]
    assert not again("a", images[3:6])[2]


def test_half_a_file_of_dreams_is_made_anew(
    network: nn.Module, images: tuple[Tensor, ...], tmp_path: Path
) -> None:
    dreamed_once(network, images[:2], SIZES, 6, tmp_path, "a", 60.0)
    (path,) = tmp_path.glob("dreams-*.safetensors")
    path.write_bytes(path.read_bytes()[:100])
    made, _, kept = dreamed_once(network, images[:2], SIZES, 6, tmp_path, "a", 60.0)
    assert not kept
    assert all(map(torch.equal, made, dream(network, images[:2], SIZES, 6)))


def test_nothing_is_kept_where_there_is_no_place(network: nn.Module, images: tuple[Tensor, ...]) -> None:
    assert not dreamed_once(network, images[:2], SIZES, 6, None, "a", 60.0)[2]
